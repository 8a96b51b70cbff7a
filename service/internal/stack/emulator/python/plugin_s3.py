"""S3: a batch delete may name the version of a delete marker, and no bucket policy is
enforced.

moto raises an event for the last version of a key that goes, and fails when that
version is a delete marker, which has no object behind it. Nothing is made up here:
no event is raised for markers.

moto evaluates bucket policies without their principals and conditions: a statement
that denies requests without TLS denies every request. Whoever stands for a principal
(the edge, for CloudFront) reads the policy and evaluates it.
"""

from moto.iam.access_control import PermissionResult
from moto.s3 import notifications
from moto.s3.models import FakeBucket, FakeDeleteMarker


def install() -> None:
    send = notifications.send_event

    def send_event(account_id, event_name, bucket, key):
        if not isinstance(key, FakeDeleteMarker):
            send(account_id, event_name, bucket, key)

    notifications.send_event = send_event
    FakeBucket.get_permission = lambda self, action, resource: PermissionResult.NEUTRAL
