"""RDS: parameters that were set say so. moto keeps no others, and leaves out where
they come from; Terraform takes those alone that come from a user.

Made up: an instance is available the moment that it is made or changed, in one
place, whatever its class, and nothing answers at its endpoint.
"""

from moto.core.responses import ActionResult
from moto.rds.responses import RDSResponse


def describe_db_parameters(self):
    found = moto_describe(self).result["Parameters"]
    return ActionResult({"Parameters": [dict(one, Source="user") for one in found]})


moto_describe = RDSResponse.describe_db_parameters


def install() -> None:
    RDSResponse.describe_db_parameters = describe_db_parameters
