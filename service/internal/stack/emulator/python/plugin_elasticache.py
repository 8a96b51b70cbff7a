"""ElastiCache: user groups, members of replication groups, and what ends them.

moto has users and replication groups, but not what lies between them and around
them. Made up: everything is available the moment that it is asked for, and node
types, versions and endpoints are only names.
"""

from moto.core.responses import ActionResult, EmptyResult
from moto.elasticache.exceptions import ElastiCacheException
from moto.elasticache.models import ElastiCacheBackend, ReplicationGroup
from moto.elasticache.responses import ElastiCacheResponse

# Fields of ModifyReplicationGroup, by the attribute that moto keeps them in.
MODIFIED = {
    "AutoMinorVersionUpgrade": "auto_minor_version_upgrade",
    "CacheNodeType": "cache_node_type",
    "CacheParameterGroupName": "cache_parameter_group_name",
    "EngineVersion": "engine_version",
    "PreferredMaintenanceWindow": "preferred_maintenance_window",
    "ReplicationGroupDescription": "description",
    "SecurityGroupIds": "security_group_ids",
    "SnapshotRetentionLimit": "snapshot_retention_limit",
    "SnapshotWindow": "snapshot_window",
    "TransitEncryptionMode": "transit_encryption_mode",
}
NUMBERS = {"SnapshotRetentionLimit": int, "AutoMinorVersionUpgrade": lambda v: str(v).lower() == "true"}


def groups(backend: ElastiCacheBackend) -> dict:
    return backend.__dict__.setdefault("user_groups", {})


def arn(backend: ElastiCacheBackend, kind: str, name: str) -> str:
    return f"arn:aws:elasticache:{backend.region_name}:{backend.account_id}:{kind}:{name}"


def group(backend: ElastiCacheBackend, name: str) -> dict:
    if name not in groups(backend):
        raise ElastiCacheException("UserGroupNotFound", f"User group {name} not found.")
    return groups(backend)[name]


def create_user_group(self):
    backend, params = self.elasticache_backend, self._get_params()
    name = params["UserGroupId"]
    if name in groups(backend):
        raise ElastiCacheException("UserGroupAlreadyExists", f"User group {name} already exists.")
    users = params.get("UserIds", [])
    for user in users:
        if user not in backend.users:
            raise ElastiCacheException("UserNotFound", f"User {user} not found.")
    groups(backend)[name] = {
        "UserGroupId": name,
        "Status": "active",
        "Engine": params["Engine"].lower(),
        "UserIds": users,
        "MinimumEngineVersion": "7.2",
        "ARN": arn(backend, "usergroup", name),
    }
    backend.tagging_service.tag_resource(arn(backend, "usergroup", name), params.get("Tags", []))
    return ActionResult(groups(backend)[name])


def describe_user_groups(self):
    backend, name = self.elasticache_backend, self._get_param("UserGroupId")
    found = [group(backend, name)] if name else list(groups(backend).values())
    return ActionResult({"UserGroups": found})


def modify_user_group(self):
    params = self._get_params()
    changed = group(self.elasticache_backend, params["UserGroupId"])
    removed = params.get("UserIdsToRemove", [])
    changed["UserIds"] = [u for u in changed["UserIds"] if u not in removed] + params.get("UserIdsToAdd", [])
    return ActionResult(changed)


def delete_user_group(self):
    backend, name = self.elasticache_backend, self._get_param("UserGroupId")
    gone = group(backend, name)
    if any(name in g.user_group_ids for g in backend.replication_groups.values()):
        raise ElastiCacheException("InvalidUserGroupState", f"User group {name} is used by a replication group.")
    del groups(backend)[name]
    return ActionResult(dict(gone, Status="deleting"))


def modify_replication_group(self):
    params = self._get_params()
    changed = self.elasticache_backend.describe_replication_groups(params["ReplicationGroupId"])[0]
    for field, attribute in MODIFIED.items():
        if params.get(field) is not None:
            setattr(changed, attribute, NUMBERS.get(field, lambda v: v)(params[field]))
    return ActionResult({"ReplicationGroup": changed})


def members(backend: ElastiCacheBackend, owner: ReplicationGroup) -> list:
    return [
        {
            "CacheClusterId": name,
            "ReplicationGroupId": owner.replication_group_id,
            "ARN": arn(backend, "cluster", name),
            "CacheClusterStatus": "available",
            "CacheNodeType": owner.cache_node_type,
            "Engine": owner.engine,
            # A version without a patch is asked for, one with a patch runs.
            "EngineVersion": (owner.engine_version or "8.0") + ".1",
            "NumCacheNodes": 1,
            "CacheSubnetGroupName": owner.cache_subnet_group_name,
            "CacheParameterGroup": {"CacheParameterGroupName": owner.cache_parameter_group_name or "default.valkey8"},
            "SecurityGroups": [{"SecurityGroupId": one, "Status": "active"} for one in owner.security_group_ids or []],
            "PreferredMaintenanceWindow": owner.preferred_maintenance_window,
            "SnapshotRetentionLimit": owner.snapshot_retention_limit,
            "SnapshotWindow": owner.snapshot_window,
            "AutoMinorVersionUpgrade": owner.auto_minor_version_upgrade,
            "AtRestEncryptionEnabled": owner.at_rest_encryption_enabled,
            "TransitEncryptionEnabled": owner.transit_encryption_enabled,
            "TransitEncryptionMode": owner.transit_encryption_mode,
            "CacheNodes": [],
        }
        for name in owner.member_clusters
    ]


def describe_cache_clusters(self):
    backend, name = self.elasticache_backend, self._get_param("CacheClusterId")
    found = [m for owner in backend.replication_groups.values() for m in members(backend, owner)]
    if name:
        found = [m for m in found if m["CacheClusterId"] == name]
    return ActionResult({"CacheClusters": found}) if found else moto_describe(self)


def create_replication_group(self, **params):
    # moto counts replicas, and takes the number of nodes for nothing.
    if params["num_cache_clusters"] and not params["replicas_per_node_group"]:
        params["replicas_per_node_group"] = params["num_cache_clusters"] - 1
    made = moto_create(self, **params)
    made.auto_minor_version_upgrade = str(made.auto_minor_version_upgrade).lower() == "true"
    return made


def delete_replication_group(self):
    # moto says that it is going, for ever.
    result = moto_delete(self)
    del self.elasticache_backend.replication_groups[self._get_param("ReplicationGroupId")]
    return result


def list_tags_for_resource(self):
    # moto refuses the ARNs of what it doesn't have.
    tags = self.elasticache_backend.tagging_service.list_tags_for_resource(self._get_param("ResourceName"))
    return ActionResult({"TagList": tags["Tags"]})


def delete_cache_subnet_group(self):
    backend, name = self.elasticache_backend, self._get_param("CacheSubnetGroupName")
    backend.describe_cache_subnet_groups(name)
    if any(g.cache_subnet_group_name == name for g in backend.replication_groups.values()):
        raise ElastiCacheException("CacheSubnetGroupInUse", f"Cache subnet group {name} is in use.")
    del backend.cache_subnet_groups[name]
    return EmptyResult()


moto_create = ElastiCacheBackend.create_replication_group
moto_delete = ElastiCacheResponse.delete_replication_group
moto_describe = ElastiCacheResponse.describe_cache_clusters


def install() -> None:
    ElastiCacheBackend.create_replication_group = create_replication_group
    for handler in (
        create_user_group,
        delete_cache_subnet_group,
        delete_replication_group,
        delete_user_group,
        describe_cache_clusters,
        describe_user_groups,
        list_tags_for_resource,
        modify_replication_group,
        modify_user_group,
    ):
        setattr(ElastiCacheResponse, handler.__name__, handler)
