"""S3: a batch delete may name the version of a delete marker.

moto raises an event for the last version of a key that goes, and fails when that
version is a delete marker, which has no object behind it. Nothing is made up here:
no event is raised for markers.
"""

from moto.s3 import notifications
from moto.s3.models import FakeDeleteMarker


def install() -> None:
    send = notifications.send_event

    def send_event(account_id, event_name, bucket, key):
        if not isinstance(key, FakeDeleteMarker):
            send(account_id, event_name, bucket, key)

    notifications.send_event = send_event
