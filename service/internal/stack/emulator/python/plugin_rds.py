"""RDS: parameters that were set say so. moto keeps no others, and leaves out where
they come from; Terraform takes those alone that come from a user. Backups that a
destroyed instance leaves are known by its resource id, and can be deleted.

Made up: an instance is available the moment that it is made or changed, in one
place, whatever its class, and nothing answers at its endpoint.
"""

from moto.core.responses import ActionResult
from moto.rds.exceptions import RDSClientError
from moto.rds.models import DBInstanceAutomatedBackup
from moto.rds.responses import RDSResponse


def describe_db_parameters(self):
    found = moto_describe(self).result["Parameters"]
    return ActionResult({"Parameters": [dict(one, Source="user") for one in found]})


moto_describe = RDSResponse.describe_db_parameters


def delete_db_instance_automated_backup(self):
    wanted, snapshots = self.params.get("DbiResourceId"), self.backend.database_snapshots
    kept = [one for one in snapshots.values() if one.snapshot_type == "automated" and one.dbi_resource_id == wanted]
    if not kept:
        raise RDSClientError("DBInstanceAutomatedBackupNotFound", f"There is no automated backup of {wanted}.")
    for one in kept:
        del snapshots[one.db_snapshot_identifier]
    return ActionResult({"DBInstanceAutomatedBackup": DBInstanceAutomatedBackup(self.backend, kept[0].db_instance_identifier, kept)})


def install() -> None:
    DBInstanceAutomatedBackup.dbi_resource_id = property(lambda self: self.automated_snapshots[0].dbi_resource_id)
    RDSResponse.delete_db_instance_automated_backup = delete_db_instance_automated_backup
    RDSResponse.describe_db_parameters = describe_db_parameters
