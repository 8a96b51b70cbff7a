"""Puts the project's additions into moto. Called once, before the first request."""

import plugin_autoscaling
import plugin_budgets
import plugin_cloudfront
import plugin_codedeploy
import plugin_ec2
import plugin_ecs
import plugin_elasticache
import plugin_rds
import plugin_s3


def install() -> None:
    for addition in (
        plugin_autoscaling,
        plugin_budgets,
        plugin_cloudfront,
        plugin_codedeploy,
        plugin_ec2,
        plugin_ecs,
        plugin_elasticache,
        plugin_rds,
        plugin_s3,
    ):
        addition.install()
