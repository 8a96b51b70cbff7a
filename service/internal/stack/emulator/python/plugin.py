"""Puts the project's additions into moto. Called once, before the first request."""

import plugin_autoscaling
import plugin_cloudfront
import plugin_codedeploy
import plugin_ec2
import plugin_ecs
import plugin_s3


def install() -> None:
    for addition in (
        plugin_autoscaling, plugin_cloudfront, plugin_codedeploy, plugin_ec2, plugin_ecs, plugin_s3,
    ):
        addition.install()
