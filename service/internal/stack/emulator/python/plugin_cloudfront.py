"""CloudFront, whole enough for the project's distributions.

moto knows a part of a distribution's configuration and drops the rest; functions,
policies and VPC origins it doesn't have. Here a configuration is kept and given
back exactly as it came, and what CloudFront itself would check is checked:
entity tags, references to origins, functions and policies, and that nothing is
removed while something uses it.

Made up: everything is deployed the moment that it is made; domain names,
identifiers and entity tags are random; no request is ever served here.
"""

import copy
import datetime
import random
import string

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, EmptyResult
from moto.cloudfront import urls
from moto.cloudfront.responses import CloudFrontResponse

API = "2020-05-31"

# AWS's own policies, by id; a distribution may name them without making them.
MANAGED_POLICIES = {
    "CachePolicyId": {
        "658327ea-f89d-4fab-a63d-7e88639e58f6": "Managed-CachingOptimized",
        "4135ea2d-6df8-44a3-9df3-4b5a84be39ad": "Managed-CachingDisabled",
    },
    "OriginRequestPolicyId": {
        "216adef6-5c7f-47e4-b989-5492eafa07d3": "Managed-AllViewer",
        "b689b0a8-53d0-40ab-baf2-68738e2966ac": "Managed-AllViewerExceptHostHeader",
    },
    "ResponseHeadersPolicyId": {
        "67f7725c-6f97-4210-82d7-5512b31e9d03": "Managed-SecurityHeadersPolicy",
    },
}


class Fault(ServiceException):
    """An error of CloudFront's, by its code; the service model has the status."""


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None, microsecond=0)


def token(length: int = 14) -> str:
    return "E" + "".join(random.choices(string.ascii_uppercase + string.digits, k=length - 1))


class Item:
    """A stored configuration with what CloudFront adds to it."""

    def __init__(self, id: str, config: dict):
        self.id = id
        self.created = now()
        self.put(config)

    def put(self, config: dict) -> None:
        self.config = config
        self.etag = token()
        self.modified = now()


class Function:
    """A function in its two stages. LIVE is empty until it is published."""

    def __init__(self, name: str, config: dict, code: bytes):
        self.name = name
        self.created = now()
        self.live = None
        self.put(config, code)

    def put(self, config: dict, code: bytes) -> None:
        self.development = {"config": config, "code": code, "etag": token(), "modified": now()}

    def publish(self) -> None:
        self.live = dict(self.development, etag=token(), modified=now())

    def stage(self, name: str) -> dict:
        found = self.live if name == "LIVE" else self.development
        if found is None:
            raise Fault("NoSuchFunctionExists", f"{self.name} has no stage {name}.")
        return found


class Store:
    """The account's CloudFront."""

    def __init__(self) -> None:
        self.distributions: dict[str, Item] = {}
        self.invalidations: dict[str, dict[str, dict]] = {}
        self.functions: dict[str, Function] = {}
        self.policies: dict[str, dict[str, Item]] = {kind: {} for kind in MANAGED_POLICIES}
        self.access_controls: dict[str, Item] = {}
        self.vpc_origins: dict[str, Item] = {}
        self.tags: dict[str, dict[str, str]] = {}


def behaviours(config: dict) -> list:
    others = (config.get("CacheBehaviors") or {}).get("Items") or []
    return [config["DefaultCacheBehavior"], *others]


def origins(config: dict) -> list:
    return (config.get("Origins") or {}).get("Items") or []


def completed(config: dict) -> dict:
    """The configuration with what CloudFront itself adds where a caller left it
    out. Clients count on it: Terraform's provider crashes without."""
    none = {"Quantity": 0}
    whole = {
        "Aliases": dict(none),
        "CacheBehaviors": dict(none),
        "Comment": "",
        "ContinuousDeploymentPolicyId": "",
        "CustomErrorResponses": dict(none),
        "DefaultRootObject": "",
        "HttpVersion": "http2",
        "IsIPV6Enabled": False,
        "Logging": {"Enabled": False, "IncludeCookies": False, "Bucket": "", "Prefix": ""},
        "OriginGroups": dict(none),
        "PriceClass": "PriceClass_All",
        "Restrictions": {"GeoRestriction": {"RestrictionType": "none", "Quantity": 0}},
        "Staging": False,
        "ViewerCertificate": {"CloudFrontDefaultCertificate": True},
        "WebACLId": "",
        **config,
    }
    certificate = whole["ViewerCertificate"]
    if certificate.get("CloudFrontDefaultCertificate"):
        certificate.update(MinimumProtocolVersion="TLSv1", CertificateSource="cloudfront", SSLSupportMethod="vip")
    for origin in origins(whole):
        for field, value in {
            "ConnectionAttempts": 3,
            "ConnectionTimeout": 10,
            "CustomHeaders": dict(none),
            "OriginAccessControlId": "",
            "OriginPath": "",
            "OriginShield": {"Enabled": False},
        }.items():
            origin.setdefault(field, value)
    methods = ["HEAD", "GET"]
    for behaviour in behaviours(whole):
        for field, value in {
            "AllowedMethods": {**counted(methods), "CachedMethods": counted(methods)},
            "Compress": False,
            "FieldLevelEncryptionId": "",
            "FunctionAssociations": dict(none),
            "GrpcConfig": {"Enabled": False},
            "LambdaFunctionAssociations": dict(none),
            "SmoothStreaming": False,
            "TrustedKeyGroups": {"Enabled": False, **none},
            "TrustedSigners": {"Enabled": False, **none},
        }.items():
            behaviour.setdefault(field, value)
    return whole


def counted(items: list) -> dict:
    return {"Quantity": len(items), "Items": items}


def tag_list(tags: dict) -> dict:
    return {"Items": [{"Key": key, "Value": value} for key, value in sorted(tags.items())]}


def pairs(tags) -> dict:
    return {tag["Key"]: tag.get("Value", "") for tag in ((tags or {}).get("Items") or [])}


def expect(params: dict, etag: str) -> None:
    given = params.get("IfMatch")
    if not given:
        raise Fault("InvalidIfMatchVersion", "The If-Match version is missing or not valid for the resource.")
    if given != etag:
        raise Fault("PreconditionFailed", "The precondition in one or more of the request fields evaluated to false.")


class EdgeResponse(CloudFrontResponse):
    """Answers CloudFront's operations; what isn't here is refused by the server."""

    @property
    def store(self) -> Store:
        return self.backend.__dict__.setdefault("edge_store", Store())

    @property
    def given(self) -> dict:
        # A copy: what is stored must not change with the request.
        return copy.deepcopy(dict(self.params))

    def arn(self, kind: str, id: str) -> str:
        return f"arn:aws:cloudfront::{self.current_account}:{kind}/{id}"

    def location(self, kind: str, id: str) -> str:
        return f"https://cloudfront.amazonaws.com/{API}/{kind}/{id}"

    def find(self, items: dict, id: str, fault: str):
        if id not in items:
            raise Fault(fault, f"The specified resource does not exist: {id}.")
        return items[id]

    # Distributions

    def check_references(self, config: dict) -> None:
        ids = {origin["Id"] for origin in origins(config)}
        for origin in origins(config):
            vpc = (origin.get("VpcOriginConfig") or {}).get("VpcOriginId")
            if vpc and vpc not in self.store.vpc_origins:
                raise Fault("EntityNotFound", f"The VPC origin does not exist: {vpc}.")
            control = origin.get("OriginAccessControlId")
            if control and control not in self.store.access_controls:
                raise Fault("InvalidOriginAccessControl", f"The origin access control does not exist: {control}.")
        live = {self.arn("function", name) for name, function in self.store.functions.items() if function.live}
        missing = {
            "CachePolicyId": "NoSuchCachePolicy",
            "OriginRequestPolicyId": "NoSuchOriginRequestPolicy",
            "ResponseHeadersPolicyId": "NoSuchResponseHeadersPolicy",
        }
        for behaviour in behaviours(config):
            if behaviour["TargetOriginId"] not in ids:
                raise Fault("NoSuchOrigin", f"No origin has the id {behaviour['TargetOriginId']}.")
            for kind, fault in missing.items():
                policy = behaviour.get(kind)
                if policy and policy not in self.store.policies[kind] and policy not in MANAGED_POLICIES[kind]:
                    raise Fault(fault, f"The policy does not exist: {policy}.")
            for association in (behaviour.get("FunctionAssociations") or {}).get("Items") or []:
                if association["FunctionARN"] not in live:
                    raise Fault(
                        "InvalidFunctionAssociation",
                        f"The function is not published: {association['FunctionARN']}.",
                    )

    def distribution(self, item: Item) -> dict:
        return {
            "Id": item.id,
            "ARN": self.arn("distribution", item.id),
            "Status": "Deployed",
            "LastModifiedTime": item.modified,
            "InProgressInvalidationBatches": 0,
            "DomainName": item.domain_name,
            "ActiveTrustedSigners": {"Enabled": False, "Quantity": 0},
            "ActiveTrustedKeyGroups": {"Enabled": False, "Quantity": 0},
            "DistributionConfig": item.config,
        }

    def make_distribution(self, config: dict, tags: dict) -> ActionResult:
        self.check_references(config)
        for other in self.store.distributions.values():
            if other.config["CallerReference"] == config["CallerReference"]:
                raise Fault("DistributionAlreadyExists", f"The caller reference is in use by {other.id}.")
        item = Item(token(), completed(config))
        item.domain_name = f"d{token(13).lower()}.cloudfront.net"
        self.store.distributions[item.id] = item
        self.store.tags[self.arn("distribution", item.id)] = tags
        location = self.location("distribution", item.id)
        return ActionResult({"Distribution": self.distribution(item), "ETag": item.etag, "Location": location})

    def create_distribution(self) -> ActionResult:
        return self.make_distribution(self.given["DistributionConfig"], {})

    def create_distribution_with_tags(self) -> ActionResult:
        given = self.given["DistributionConfigWithTags"]
        return self.make_distribution(given["DistributionConfig"], pairs(given.get("Tags")))

    def get_distribution(self) -> ActionResult:
        item = self.find(self.store.distributions, self.given["Id"], "NoSuchDistribution")
        return ActionResult({"Distribution": self.distribution(item), "ETag": item.etag})

    def get_distribution_config(self) -> ActionResult:
        item = self.find(self.store.distributions, self.given["Id"], "NoSuchDistribution")
        return ActionResult({"DistributionConfig": item.config, "ETag": item.etag})

    def list_distributions(self) -> ActionResult:
        # A summary has the same names as a configuration, without its wrapper.
        found = []
        for item in self.store.distributions.values():
            found.append({**item.config, **self.distribution(item)})
        return ActionResult({"DistributionList": {"Marker": "", "MaxItems": 100, "IsTruncated": False, **counted(found)}})

    def update_distribution(self) -> ActionResult:
        given = self.given
        item = self.find(self.store.distributions, given["Id"], "NoSuchDistribution")
        expect(given, item.etag)
        self.check_references(given["DistributionConfig"])
        item.put(completed(given["DistributionConfig"]))
        return ActionResult({"Distribution": self.distribution(item), "ETag": item.etag})

    def delete_distribution(self) -> ActionResult:
        given = self.given
        item = self.find(self.store.distributions, given["Id"], "NoSuchDistribution")
        expect(given, item.etag)
        if item.config.get("Enabled"):
            raise Fault("DistributionNotDisabled", "The distribution you are trying to delete has not been disabled.")
        del self.store.distributions[item.id]
        self.store.tags.pop(self.arn("distribution", item.id), None)
        self.store.invalidations.pop(item.id, None)
        return EmptyResult()

    # Invalidations

    def create_invalidation(self) -> ActionResult:
        given = self.given
        item = self.find(self.store.distributions, given["DistributionId"], "NoSuchDistribution")
        made = {
            "Id": token(),
            "Status": "Completed",
            "CreateTime": now(),
            "InvalidationBatch": given["InvalidationBatch"],
        }
        self.store.invalidations.setdefault(item.id, {})[made["Id"]] = made
        location = self.location(f"distribution/{item.id}/invalidation", made["Id"])
        return ActionResult({"Invalidation": made, "Location": location})

    def get_invalidation(self) -> ActionResult:
        given = self.given
        batches = self.store.invalidations.get(given["DistributionId"], {})
        return ActionResult({"Invalidation": self.find(batches, given["Id"], "NoSuchInvalidation")})

    def list_invalidations(self) -> ActionResult:
        batches = list(self.store.invalidations.get(self.given["DistributionId"], {}).values())
        return ActionResult({"InvalidationList": {"Marker": "", "MaxItems": 100, "IsTruncated": False, **counted(batches)}})

    # Tags

    def list_tags_for_resource(self) -> ActionResult:
        return ActionResult({"Tags": tag_list(self.store.tags.get(self.given["Resource"], {}))})

    def tag_resource(self) -> ActionResult:
        given = self.given
        self.store.tags.setdefault(given["Resource"], {}).update(pairs(given.get("Tags")))
        return EmptyResult()

    def untag_resource(self) -> ActionResult:
        given = self.given
        tags = self.store.tags.get(given["Resource"], {})
        for key in (given.get("TagKeys") or {}).get("Items") or []:
            tags.pop(key, None)
        return EmptyResult()

    # Functions

    def function_summary(self, function: Function, stage: str) -> dict:
        held = function.stage(stage)
        return {
            "Name": function.name,
            "Status": "DEPLOYED" if stage == "LIVE" else "UNASSOCIATED",
            "FunctionConfig": held["config"],
            "FunctionMetadata": {
                "FunctionARN": self.arn("function", function.name),
                "Stage": stage,
                "CreatedTime": function.created,
                "LastModifiedTime": held["modified"],
            },
        }

    def function(self) -> Function:
        return self.find(self.store.functions, self.given["Name"], "NoSuchFunctionExists")

    def create_function(self) -> ActionResult:
        given = self.given
        name = given["Name"]
        if name in self.store.functions:
            raise Fault("FunctionAlreadyExists", f"A function with the name {name} exists.")
        function = Function(name, given["FunctionConfig"], given["FunctionCode"])
        self.store.functions[name] = function
        return ActionResult({
            "FunctionSummary": self.function_summary(function, "DEVELOPMENT"),
            "ETag": function.development["etag"],
            "Location": self.location("function", name),
        })

    def update_function(self) -> ActionResult:
        given, function = self.given, self.function()
        expect(given, function.development["etag"])
        function.put(given["FunctionConfig"], given["FunctionCode"])
        return ActionResult({
            "FunctionSummary": self.function_summary(function, "DEVELOPMENT"),
            "ETag": function.development["etag"],
        })

    def publish_function(self) -> ActionResult:
        function = self.function()
        expect(self.given, function.development["etag"])
        function.publish()
        return ActionResult({"FunctionSummary": self.function_summary(function, "LIVE")})

    def describe_function(self) -> ActionResult:
        function, stage = self.function(), self.given.get("Stage") or "DEVELOPMENT"
        return ActionResult({
            "FunctionSummary": self.function_summary(function, stage),
            "ETag": function.stage(stage)["etag"],
        })

    def get_function(self) -> ActionResult:
        held = self.function().stage(self.given.get("Stage") or "DEVELOPMENT")
        return ActionResult({
            "FunctionCode": held["code"],
            "ETag": held["etag"],
            "ContentType": "application/octet-stream",
        })

    def list_functions(self) -> ActionResult:
        stage = self.given.get("Stage") or "DEVELOPMENT"
        found = [
            self.function_summary(function, stage)
            for function in self.store.functions.values()
            if stage != "LIVE" or function.live
        ]
        return ActionResult({"FunctionList": {"MaxItems": 100, **counted(found)}})

    def delete_function(self) -> ActionResult:
        function = self.function()
        expect(self.given, function.development["etag"])
        arn = self.arn("function", function.name)
        for item in self.store.distributions.values():
            for behaviour in behaviours(item.config):
                associations = (behaviour.get("FunctionAssociations") or {}).get("Items") or []
                if any(association["FunctionARN"] == arn for association in associations):
                    raise Fault("FunctionInUse", f"The function is in use by {item.id}.")
        del self.store.functions[function.name]
        return EmptyResult()

    # Policies: three kinds with one shape of life

    def create_policy(self, name: str) -> ActionResult:
        config = self.given[f"{name}Config"]
        policies = self.store.policies[f"{name}Id"]
        if any(other.config["Name"] == config["Name"] for other in policies.values()):
            raise Fault(f"{name}AlreadyExists", f"A policy with the name {config['Name']} exists.")
        item = Item(str(random_uuid()), config)
        policies[item.id] = item
        return self.policy_result(name, item)

    def policy_result(self, name: str, item: Item) -> ActionResult:
        policy = {"Id": item.id, "LastModifiedTime": item.modified, f"{name}Config": item.config}
        return ActionResult({name: policy, f"{name}Config": item.config, "ETag": item.etag})

    def policy(self, name: str) -> Item:
        return self.find(self.store.policies[f"{name}Id"], self.given["Id"], f"NoSuch{name}")

    def get_policy(self, name: str) -> ActionResult:
        return self.policy_result(name, self.policy(name))

    def update_policy(self, name: str) -> ActionResult:
        item, given = self.policy(name), self.given
        expect(given, item.etag)
        item.put(given[f"{name}Config"])
        return self.policy_result(name, item)

    def delete_policy(self, name: str) -> ActionResult:
        item = self.policy(name)
        expect(self.given, item.etag)
        for distribution in self.store.distributions.values():
            if any(b.get(f"{name}Id") == item.id for b in behaviours(distribution.config)):
                raise Fault(f"{name}InUse", f"The policy is in use by {distribution.id}.")
        del self.store.policies[f"{name}Id"][item.id]
        return EmptyResult()

    def list_policies(self, name: str) -> ActionResult:
        found = [
            {
                "Type": "custom",
                name: {"Id": item.id, "LastModifiedTime": item.modified, f"{name}Config": item.config},
            }
            for item in self.store.policies[f"{name}Id"].values()
        ]
        return ActionResult({f"{name}List": {"MaxItems": 100, **counted(found)}})

    # Origin access controls

    def access_control(self) -> Item:
        return self.find(self.store.access_controls, self.given["Id"], "NoSuchOriginAccessControl")

    def access_control_result(self, item: Item) -> ActionResult:
        control = {"Id": item.id, "OriginAccessControlConfig": item.config}
        return ActionResult({
            "OriginAccessControl": control,
            "OriginAccessControlConfig": item.config,
            "ETag": item.etag,
        })

    def create_origin_access_control(self) -> ActionResult:
        config = self.given["OriginAccessControlConfig"]
        if any(other.config["Name"] == config["Name"] for other in self.store.access_controls.values()):
            raise Fault("OriginAccessControlAlreadyExists", f"The name {config['Name']} is in use.")
        item = Item(token(), config)
        self.store.access_controls[item.id] = item
        return self.access_control_result(item)

    def get_origin_access_control(self) -> ActionResult:
        return self.access_control_result(self.access_control())

    get_origin_access_control_config = get_origin_access_control

    def update_origin_access_control(self) -> ActionResult:
        item, given = self.access_control(), self.given
        expect(given, item.etag)
        item.put(given["OriginAccessControlConfig"])
        return self.access_control_result(item)

    def list_origin_access_controls(self) -> ActionResult:
        found = [{"Id": item.id, **item.config} for item in self.store.access_controls.values()]
        return ActionResult({
            "OriginAccessControlList": {"Marker": "", "MaxItems": 100, "IsTruncated": False, **counted(found)},
        })

    def delete_origin_access_control(self) -> ActionResult:
        item = self.access_control()
        expect(self.given, item.etag)
        for distribution in self.store.distributions.values():
            if any(origin.get("OriginAccessControlId") == item.id for origin in origins(distribution.config)):
                raise Fault("OriginAccessControlInUse", f"The control is in use by {distribution.id}.")
        del self.store.access_controls[item.id]
        return EmptyResult()

    # VPC origins

    def vpc_origin(self) -> Item:
        return self.find(self.store.vpc_origins, self.given["Id"], "EntityNotFound")

    def vpc_origin_result(self, item: Item) -> ActionResult:
        origin = {
            "Id": item.id,
            "Arn": self.arn("vpcorigin", item.id),
            "AccountId": self.current_account,
            "Status": "Deployed",
            "CreatedTime": item.created,
            "LastModifiedTime": item.modified,
            "VpcOriginEndpointConfig": item.config,
        }
        return ActionResult({
            "VpcOrigin": origin,
            "ETag": item.etag,
            "Location": self.location("vpc-origin", item.id),
        })

    def create_vpc_origin(self) -> ActionResult:
        given = self.given
        item = Item("vo_" + token(20)[1:], given["VpcOriginEndpointConfig"])
        self.store.vpc_origins[item.id] = item
        self.store.tags[self.arn("vpcorigin", item.id)] = pairs(given.get("Tags"))
        return self.vpc_origin_result(item)

    def get_vpc_origin(self) -> ActionResult:
        return self.vpc_origin_result(self.vpc_origin())

    def update_vpc_origin(self) -> ActionResult:
        item, given = self.vpc_origin(), self.given
        expect(given, item.etag)
        item.put(given["VpcOriginEndpointConfig"])
        return self.vpc_origin_result(item)

    def list_vpc_origins(self) -> ActionResult:
        found = [
            {
                "Id": item.id,
                "Name": item.config["Name"],
                "Status": "Deployed",
                "CreatedTime": item.created,
                "LastModifiedTime": item.modified,
                "Arn": self.arn("vpcorigin", item.id),
                "OriginEndpointArn": item.config["Arn"],
            }
            for item in self.store.vpc_origins.values()
        ]
        return ActionResult({
            "VpcOriginList": {"Marker": "", "MaxItems": 100, "IsTruncated": False, **counted(found)},
        })

    def delete_vpc_origin(self) -> ActionResult:
        item = self.vpc_origin()
        expect(self.given, item.etag)
        for distribution in self.store.distributions.values():
            for origin in origins(distribution.config):
                if (origin.get("VpcOriginConfig") or {}).get("VpcOriginId") == item.id:
                    raise Fault("CannotDeleteEntityWhileInUse", f"The VPC origin is in use by {distribution.id}.")
        del self.store.vpc_origins[item.id]
        self.store.tags.pop(self.arn("vpcorigin", item.id), None)
        return self.vpc_origin_result(item)


def random_uuid():
    # moto seeds its own generator; identifiers need no more than to differ.
    import uuid

    return uuid.uuid4()


def add_policy_operations() -> None:
    """create_cache_policy and its kin, for each kind of policy."""
    names = {
        "CachePolicy": ("cache_policy", "cache_policies"),
        "OriginRequestPolicy": ("origin_request_policy", "origin_request_policies"),
        "ResponseHeadersPolicy": ("response_headers_policy", "response_headers_policies"),
    }
    for name, (one, many) in names.items():
        for verb in ("create", "get", "update", "delete"):
            answer = getattr(EdgeResponse, f"{verb}_policy")
            setattr(EdgeResponse, f"{verb}_{one}", bound(answer, name))
        setattr(EdgeResponse, f"get_{one}_config", bound(EdgeResponse.get_policy, name))
        setattr(EdgeResponse, f"list_{many}", bound(EdgeResponse.list_policies, name))


def bound(answer, name: str):
    return lambda self: answer(self, name)


def install() -> None:
    add_policy_operations()
    urls.url_paths.clear()
    urls.url_paths["{0}/" + API + "/(?P<operation>.+)$"] = EdgeResponse.dispatch
