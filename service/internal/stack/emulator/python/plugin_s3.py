"""S3: no bucket policy is enforced, and a key that has delete markers can go from a
bucket whose versioning is suspended, which is how Terraform empties a bucket.

moto evaluates bucket policies without their principals and conditions: a statement
that denies requests without TLS denies every request. Whoever stands for a
principal (the edge, for CloudFront) reads the policy and evaluates it.

Where versioning is suspended, moto frees the content of each version and fails at
a marker, which has none. What stays different from S3: a delete of one version
takes all of the key's there.
"""

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket, FakeDeleteMarker


def install() -> None:
    FakeBucket.get_permission = lambda self, action, resource: PermissionResult.NEUTRAL
    FakeDeleteMarker.dispose = lambda self: None
