"""EC2: security-group rules that name another group or a prefix list, and subnets
by their IPv6 range.

moto keeps a rule's description with its address range only, and changes nothing
but the address range of a standing rule; it doesn't find a subnet by the
association of its IPv6 range, by which Terraform waits for one, and tells the
association's state wrapped twice. Nothing is made up here.
"""

from moto.ec2.models.security_groups import SecurityGroupBackend, SecurityGroupRule
from moto.ec2.models.subnets import Subnet


def install() -> None:
    make = SecurityGroupRule.__init__
    modify = SecurityGroupBackend.modify_security_group_rules
    filter_value = Subnet.get_filter_value

    def filter_value_of_ipv6(self, filter_name, method_name=None):
        if filter_name == "ipv6-cidr-block-association.association-id":
            return list(self.ipv6_cidr_block_associations)
        return filter_value(self, filter_name, method_name)

    def ipv6_associations(self):
        return [
            association
            for association in self.ipv6_cidr_block_associations.values()
            if association["ipv6CidrBlockState"]["State"] == "associated"
        ]

    def make_with_prefix_description(self, *args, **kwargs):
        make(self, *args, **kwargs)
        prefix = kwargs.get("prefix_list_id") or (args[7] if len(args) > 7 else None)
        self.prefix_description = (prefix or {}).get("Description")

    def description(self):
        return (
            self.ip_range.get("Description")
            or self.source_group.get("Description")
            or self.prefix_description
        )

    def modify_whole(self, group_id, rules):
        modify(self, group_id, rules)
        group = self.get_security_group_by_name_or_id(group_id)
        for rule_id, changed in rules.items():
            rule = group.get_rule(rule_id)
            if changed.get("CidrIpv6"):
                rule.ip_range["CidrIpv6"] = changed["CidrIpv6"]
            if changed.get("PrefixListId"):
                rule.prefix_list_id = changed["PrefixListId"]
            if changed.get("ReferencedGroupId"):
                rule.source_group["GroupId"] = changed["ReferencedGroupId"]

    Subnet.get_filter_value = filter_value_of_ipv6
    Subnet.ipv6_cidr_block_association_set = property(ipv6_associations)
    SecurityGroupRule.__init__ = make_with_prefix_description
    SecurityGroupRule.description = property(description)
    SecurityGroupBackend.modify_security_group_rules = modify_whole
