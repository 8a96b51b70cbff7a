"""S3: a key that has delete markers can go from a bucket whose versioning is
suspended, which is how Terraform empties a bucket; and no bucket policy is enforced.

moto frees the content of each version then, and fails at a marker, which has none.
Nothing is made up here. What stays different from S3: in such a bucket, a delete
of one version takes all of the key's.

moto evaluates bucket policies without their principals and conditions: a statement
that denies requests without TLS denies every upload (403). Whoever stands for a
principal (the edge of a local stack, for CloudFront) reads the policy and evaluates it.
"""

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket, FakeDeleteMarker


def install() -> None:
    FakeDeleteMarker.dispose = lambda self: None
    FakeBucket.get_permission = lambda self, action, resource: PermissionResult.NEUTRAL
