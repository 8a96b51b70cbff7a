"""S3: a key that has delete markers can go from a bucket whose versioning is
suspended, which is how Terraform empties a bucket.

moto frees the content of each version then, and fails at a marker, which has none.
Nothing is made up here. What stays different from S3: in such a bucket, a delete
of one version takes all of the key's.
"""

from moto.s3.models import FakeDeleteMarker


def install() -> None:
    FakeDeleteMarker.dispose = lambda self: None
