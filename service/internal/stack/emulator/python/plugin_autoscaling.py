"""Application Auto Scaling: tags of scalable targets.

moto keeps no tags and answers a question for them with a fault. Nothing is made up
here: no target is ever scaled.
"""

import json

from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse


def tags_of(response: ApplicationAutoScalingResponse) -> dict[str, dict[str, str]]:
    """All tags, by the target's ARN."""
    return response.applicationautoscaling_backend.__dict__.setdefault("project_tags", {})


def given(response: ApplicationAutoScalingResponse) -> dict:
    return json.loads(response.body)


def register_scalable_target(self):
    answer = moto_register(self)
    tags = given(self).get("Tags")
    if tags:
        tags_of(self).setdefault(json.loads(answer)["ScalableTargetARN"], {}).update(tags)
    return answer


def list_tags_for_resource(self):
    return json.dumps({"Tags": tags_of(self).get(given(self)["ResourceARN"], {})})


def tag_resource(self):
    params = given(self)
    tags_of(self).setdefault(params["ResourceARN"], {}).update(params["Tags"])
    return "{}"


def untag_resource(self):
    params = given(self)
    for key in params["TagKeys"]:
        tags_of(self).get(params["ResourceARN"], {}).pop(key, None)
    return "{}"


moto_register = ApplicationAutoScalingResponse.register_scalable_target


def install() -> None:
    ApplicationAutoScalingResponse.register_scalable_target = register_scalable_target
    ApplicationAutoScalingResponse.list_tags_for_resource = list_tags_for_resource
    ApplicationAutoScalingResponse.tag_resource = tag_resource
    ApplicationAutoScalingResponse.untag_resource = untag_resource
