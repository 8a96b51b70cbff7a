"""ECS: services as they were asked for, and deployments that have ended.

moto drops a part of what a service is made of, so that the next plan would
replace it. Here every field of the request is given back.

Made up: a service runs as many tasks as it wants from the moment that it is made
or changed, and each of its deployments has succeeded, but for one image: a change
to a task definition with the digest of nothing but zeros, which no image has, is
rolled back as the circuit breaker would do it. No container runs here; who runs
the task definitions must find out about their health alone.
"""

import datetime
import random
import string

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.ecs.models import Service
from moto.ecs.responses import EC2ContainerServiceResponse

# Fields of CreateService and UpdateService that moto doesn't keep, by the name
# of the attribute that its serializer looks for.
KEPT = {
    "availabilityZoneRebalancing": "availability_zone_rebalancing",
    "capacityProviderStrategy": "capacity_provider_strategy",
    "deploymentConfiguration": "deployment_configuration",
    "enableECSManagedTags": "enable_ecs_managed_tags",
    "enableExecuteCommand": "enable_execute_command",
    "healthCheckGracePeriodSeconds": "health_check_grace_period_seconds",
    "loadBalancers": "load_balancers",
    "networkConfiguration": "network_configuration",
    "placementConstraints": "placement_constraints",
    "placementStrategy": "placement_strategy",
    "platformVersion": "platform_version",
    "propagateTags": "propagate_tags",
    "serviceRegistries": "service_registries",
}
# A change of these starts a deployment.
DEPLOYED = (
    "capacityProviderStrategy",
    "forceNewDeployment",
    "loadBalancers",
    "networkConfiguration",
    "platformVersion",
    "taskDefinition",
)


# The image that never becomes healthy.
UNHEALTHY = "@sha256:" + "0" * 64


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


def name() -> str:
    return "".join(random.choices(string.ascii_letters + string.digits, k=21))


def keep(service: Service, params: dict) -> None:
    for field, attribute in KEPT.items():
        if params.get(field) is not None:
            setattr(service, attribute, params[field])
    if params.get("capacityProviderStrategy"):
        # A service has a launch type or a strategy, never both.
        service.launch_type = None


def deploy(service: Service, status: str = "SUCCESSFUL") -> None:
    """Ends a deployment, after which the service runs its present task definition:
    the new one, or the one before where the deployment was rolled back."""
    ended = now()
    service.deployments = [
        {
            "id": f"ecs-svc/{random.randint(10**18, 10**19 - 1)}",
            "status": "PRIMARY",
            "taskDefinition": service.task_definition,
            "desiredCount": service.desired_count,
            "runningCount": service.desired_count,
            "pendingCount": 0,
            "failedTasks": 0,
            "createdAt": ended,
            "updatedAt": ended,
            "launchType": service.launch_type,
            "capacityProviderStrategy": getattr(service, "capacity_provider_strategy", None),
            "networkConfiguration": service.network_configuration,
            "platformVersion": "1.4.0",
            "platformFamily": "Linux",
            "rolloutState": "COMPLETED",
            "rolloutStateReason": "ECS deployment completed.",
        }
    ]
    base = service.arn.replace(":service/", ":service-deployment/")
    revision = service.arn.replace(":service/", ":service-revision/")
    service.history.insert(
        0,
        {
            "serviceDeploymentArn": f"{base}/{name()}",
            "serviceArn": service.arn,
            "clusterArn": service.cluster_arn,
            "targetServiceRevisionArn": f"{revision}/{random.randint(10**18, 10**19 - 1)}",
            "status": status,
            "createdAt": ended,
            "startedAt": ended,
            "finishedAt": ended,
            "updatedAt": ended,
            "deploymentConfiguration": getattr(service, "deployment_configuration", None),
        },
    )


def settle(service: Service) -> None:
    service.running_count = service.desired_count
    service.pending_count = 0
    for deployment in service.deployments:
        deployment["desiredCount"] = deployment["runningCount"] = service.desired_count
        deployment["updatedAt"] = now()


def create_service(self):
    result = moto_create(self)
    service = result.result["service"]
    service.created_at = now()
    service.history = []
    service.platform_family = "Linux"
    keep(service, self.params)
    deploy(service)
    settle(service)
    return result


def update_service(self):
    params = dict(self.params)
    cluster, service_name = params.get("cluster", "default"), params["service"]
    described, _ = self.ecs_backend.describe_services(cluster, [service_name])
    if not described or described[0].status != "ACTIVE":
        raise ServiceException("ServiceNotFoundException", "Service not found.")
    service = described[0]
    status = "SUCCESSFUL"
    blue_green = (service.deployment_controller or {}).get("type") == "CODE_DEPLOY"
    refused = [field for field in ("taskDefinition", "loadBalancers", "networkConfiguration") if params.get(field)]
    if blue_green and (refused or params.get("forceNewDeployment")):
        raise ServiceException(
            "InvalidParameterException",
            "Unable to update " + ", ".join(refused or ["forceNewDeployment"]) + " on services with a CODE_DEPLOY "
            "deployment controller. Use AWS CodeDeploy to trigger a new deployment.",
        )
    if params.get("taskDefinition"):
        definition = self.ecs_backend.describe_task_definition(params["taskDefinition"])
        if any(c.get("image", "").endswith(UNHEALTHY) for c in definition.container_definitions):
            status = "ROLLBACK_SUCCESSFUL"
        else:
            service.task_definition = definition.arn
    if params.get("desiredCount") is not None:
        service.desired_count = params["desiredCount"]
    keep(service, params)
    if any(params.get(field) for field in DEPLOYED):
        deploy(service, status)
    settle(service)
    return ActionResult({"service": service})


def services(self):
    return [service for service in self.ecs_backend.services.values() if hasattr(service, "history")]


def list_service_deployments(self):
    wanted = self._get_param("service")
    found = [
        deployment
        for service in services(self)
        if wanted in (service.arn, service.name)
        for deployment in service.history
    ]
    status = self._get_param("status", [])
    if status:
        found = [deployment for deployment in found if deployment["status"] in status]
    return ActionResult({"serviceDeployments": found})


def describe_service_deployments(self):
    by_arn = {d["serviceDeploymentArn"]: d for service in services(self) for d in service.history}
    wanted = self._get_param("serviceDeploymentArns", [])
    return ActionResult({
        "serviceDeployments": [by_arn[arn] for arn in wanted if arn in by_arn],
        "failures": [{"arn": arn, "reason": "MISSING"} for arn in wanted if arn not in by_arn],
    })


moto_create = EC2ContainerServiceResponse.create_service


def install() -> None:
    EC2ContainerServiceResponse.create_service = create_service
    EC2ContainerServiceResponse.update_service = update_service
    EC2ContainerServiceResponse.list_service_deployments = list_service_deployments
    EC2ContainerServiceResponse.describe_service_deployments = describe_service_deployments
