"""CodeDeploy: blue/green deployments of ECS services.

moto has applications and deployment groups of servers, without changing or
deleting them. Here they are kept and given back exactly as they came, and what
CodeDeploy itself would check is checked: that the service, its target groups and
its listener exist, and that an AppSpec names a task definition.

Made up: a deployment has succeeded the moment that it is made. The service then
runs the AppSpec's task definition on its other target group, and everything of the
listener that led to the one leads to the other, at once and whole, whatever the
configuration says about steps and waiting; but a task definition with the image
that never becomes healthy is rolled back, which leaves all as it was.
"""

import json
import random
import string
import time
import uuid

from moto.codedeploy.responses import CodeDeployResponse
from moto.core.exceptions import JsonRESTError
from moto.ecs.models import ecs_backends
from moto.elbv2.models import elbv2_backends

import plugin_ecs


class Fault(JsonRESTError):
    """An error of CodeDeploy's, by its code."""

    code = 400


class Store:
    """CodeDeploy of one account and region."""

    def __init__(self) -> None:
        self.applications: dict[str, dict] = {}
        self.groups: dict[tuple[str, str], dict] = {}
        self.deployments: dict[str, dict] = {}
        self.tags: dict[str, dict[str, str]] = {}


def store(response: CodeDeployResponse) -> Store:
    return response.codedeploy_backend.__dict__.setdefault("project_store", Store())


def given(response: CodeDeployResponse) -> dict:
    return json.loads(response.body)


def pairs(tags) -> dict:
    return {tag["Key"]: tag.get("Value", "") for tag in tags or []}


def arn(response: CodeDeployResponse, kind: str, name: str) -> str:
    return f"arn:aws:codedeploy:{response.region}:{response.current_account}:{kind}:{name}"


def application(response: CodeDeployResponse, name: str) -> dict:
    found = store(response).applications.get(name)
    if found is None:
        raise Fault("ApplicationDoesNotExistException", f"No application found for name: {name}")
    return found


def group(response: CodeDeployResponse, params: dict, name: str = "deploymentGroupName") -> dict:
    application(response, params["applicationName"])
    found = store(response).groups.get((params["applicationName"], params[name]))
    if found is None:
        raise Fault("DeploymentGroupDoesNotExistException", f"No Deployment Group found for name: {params[name]}")
    return found


def service_of(response: CodeDeployResponse, wanted: dict):
    services = ecs_backends[response.current_account][response.region].services.values()
    for service in services:
        if (service.name, service.cluster_name) == (wanted["serviceName"], wanted["clusterName"]) and service.status == "ACTIVE":
            return service
    raise Fault("InvalidECSServiceException", f"The ECS service cannot be found: {wanted['serviceName']}.")


def check(response: CodeDeployResponse, config: dict) -> None:
    """What a deployment group names must be there."""
    for wanted in config.get("ecsServices", []):
        service = service_of(response, wanted)
        if (service.deployment_controller or {}).get("type") != "CODE_DEPLOY":
            raise Fault("InvalidECSServiceException", "The deployment controller of the ECS service must be CODE_DEPLOY.")
    balancers = elbv2_backends[response.current_account][response.region]
    names = {target.name for target in balancers.target_groups.values()}
    listeners = {listener for balancer in balancers.load_balancers.values() for listener in balancer.listeners}
    for pair in config.get("loadBalancerInfo", {}).get("targetGroupPairInfoList", []):
        for target in pair.get("targetGroups", []):
            if target["name"] not in names:
                raise Fault("InvalidTargetGroupPairException", f"The target group does not exist: {target['name']}.")
        for listener in pair.get("prodTrafficRoute", {}).get("listenerArns", []):
            if listener not in listeners:
                raise Fault("InvalidTrafficRoutingConfigurationException", f"The listener does not exist: {listener}.")


# Applications


def create_application(self):
    params, kept = given(self), store(self)
    name = params["applicationName"]
    if name in kept.applications:
        raise Fault("ApplicationAlreadyExistsException", f"Application already exists: {name}")
    made = {
        "applicationId": str(uuid.uuid4()),
        "applicationName": name,
        "computePlatform": params.get("computePlatform", "Server"),
        "createTime": time.time(),
        "linkedToGitHub": False,
    }
    kept.applications[name] = made
    kept.tags[arn(self, "application", name)] = pairs(params.get("tags"))
    return json.dumps({"applicationId": made["applicationId"]})


def get_application(self):
    return json.dumps({"application": application(self, given(self)["applicationName"])})


def list_applications(self):
    return json.dumps({"applications": list(store(self).applications)})


def delete_application(self):
    kept, name = store(self), given(self)["applicationName"]
    kept.applications.pop(name, None)
    kept.tags.pop(arn(self, "application", name), None)
    for key in [key for key in kept.groups if key[0] == name]:
        del kept.groups[key]
    return "{}"


# Deployment groups


def create_deployment_group(self):
    params, kept = given(self), store(self)
    owner = application(self, params["applicationName"])
    key = (params["applicationName"], params["deploymentGroupName"])
    if key in kept.groups:
        raise Fault("DeploymentGroupAlreadyExistsException", f"Deployment group already exists: {key[1]}")
    check(self, params)
    tags = params.pop("tags", None)
    kept.groups[key] = {**params, "deploymentGroupId": str(uuid.uuid4()), "computePlatform": owner["computePlatform"]}
    kept.tags[arn(self, "deploymentgroup", "/".join(key))] = pairs(tags)
    return json.dumps({"deploymentGroupId": kept.groups[key]["deploymentGroupId"]})


def get_deployment_group(self):
    return json.dumps({"deploymentGroupInfo": group(self, given(self))})


def list_deployment_groups(self):
    name = given(self)["applicationName"]
    application(self, name)
    names = [key[1] for key in store(self).groups if key[0] == name]
    return json.dumps({"applicationName": name, "deploymentGroups": names})


def update_deployment_group(self):
    params = given(self)
    found = group(self, params, "currentDeploymentGroupName")
    check(self, params)
    params.pop("currentDeploymentGroupName")
    if params.pop("newDeploymentGroupName", found["deploymentGroupName"]) != found["deploymentGroupName"]:
        raise NotImplementedError("another name for a deployment group")
    found.update(params)
    return json.dumps({"hooksNotCleanedUp": []})


def delete_deployment_group(self):
    params, kept = given(self), store(self)
    key = (params["applicationName"], params["deploymentGroupName"])
    kept.groups.pop(key, None)
    kept.tags.pop(arn(self, "deploymentgroup", "/".join(key)), None)
    return json.dumps({"hooksNotCleanedUp": []})


# Deployments


def create_deployment(self):
    params = given(self)
    found = group(self, params)
    try:
        content = json.loads(params["revision"]["appSpecContent"]["content"])
        [resource] = content["Resources"]
        wanted = resource["TargetService"]["Properties"]["TaskDefinition"]
    except (KeyError, ValueError) as fault:
        raise Fault("InvalidRevisionException", f"The AppSpec has no task definition: {fault!r}") from fault
    service = service_of(self, found["ecsServices"][0])
    definition = ecs_backends[self.current_account][self.region].describe_task_definition(wanted)
    healthy = not any(c.get("image", "").endswith(plugin_ecs.UNHEALTHY) for c in definition.container_definitions)
    if healthy:
        service.task_definition = definition.arn
        move(self, found, service)
    plugin_ecs.deploy(service, "SUCCESSFUL" if healthy else "ROLLBACK_SUCCESSFUL")
    now = time.time()
    made = {
        "applicationName": found["applicationName"],
        "completeTime": now,
        "computePlatform": "ECS",
        "createTime": now,
        "deploymentConfigName": found.get("deploymentConfigName"),
        "deploymentGroupName": found["deploymentGroupName"],
        "deploymentId": "d-" + "".join(random.choices(string.ascii_uppercase + string.digits, k=9)),
        "revision": params["revision"],
        "status": "Succeeded" if healthy else "Failed",
    }
    store(self).deployments[made["deploymentId"]] = made
    return json.dumps({"deploymentId": made["deploymentId"]})


def move(self, found: dict, service) -> None:
    """Changes the places of the two target groups, for service and listeners."""
    balancers = elbv2_backends[self.current_account][self.region]
    arns = {target.name: target.arn for target in balancers.target_groups.values()}
    for pair in found["loadBalancerInfo"]["targetGroupPairInfoList"]:
        first, second = (arns[target["name"]] for target in pair["targetGroups"])
        other = {first: second, second: first}
        service.load_balancers = [
            {**balancer, "targetGroupArn": other.get(balancer["targetGroupArn"], balancer["targetGroupArn"])}
            for balancer in service.load_balancers
        ]
        for balancer in balancers.load_balancers.values():
            for listener in balancer.listeners.values():
                if listener.arn not in pair["prodTrafficRoute"]["listenerArns"]:
                    continue
                actions = {id(action): action for action in listener.default_actions}
                for rule in listener.rules.values():
                    actions.update({id(action): action for action in rule.actions})
                for action in actions.values():
                    redirect(action, other)


def redirect(action, other: dict) -> None:
    direct = action.data.get("TargetGroupArn")
    if direct in other:
        action.data["TargetGroupArn"] = action.TargetGroupArn = other[direct]
    for target in action.data.get("ForwardConfig", {}).get("TargetGroups", []):
        target["TargetGroupArn"] = other.get(target["TargetGroupArn"], target["TargetGroupArn"])


def get_deployment(self):
    wanted = given(self)["deploymentId"]
    if wanted not in store(self).deployments:
        raise Fault("DeploymentDoesNotExistException", f"No deployment found for id: {wanted}")
    return json.dumps({"deploymentInfo": store(self).deployments[wanted]})


def list_deployments(self):
    return json.dumps({"deployments": list(store(self).deployments)})


# Tags


def list_tags_for_resource(self):
    tags = store(self).tags.get(given(self)["ResourceArn"], {})
    return json.dumps({"Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())]})


def tag_resource(self):
    params = given(self)
    store(self).tags.setdefault(params["ResourceArn"], {}).update(pairs(params["Tags"]))
    return "{}"


def untag_resource(self):
    params = given(self)
    for key in params["TagKeys"]:
        store(self).tags.get(params["ResourceArn"], {}).pop(key, None)
    return "{}"


def not_implemented(self):
    raise NotImplementedError(self._get_action())


def install() -> None:
    for answer in (
        create_application, get_application, list_applications, delete_application,
        create_deployment_group, get_deployment_group, list_deployment_groups,
        update_deployment_group, delete_deployment_group,
        create_deployment, get_deployment, list_deployments,
        list_tags_for_resource, tag_resource, untag_resource,
    ):
        setattr(CodeDeployResponse, answer.__name__, answer)
    # moto's own look into another store.
    CodeDeployResponse.batch_get_applications = not_implemented
    CodeDeployResponse.batch_get_deployments = not_implemented
