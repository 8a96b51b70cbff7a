"""Budgets: who is told of a budget's notification, and its tags. moto keeps the
subscribers and has no way to ask for them, and drops the tags. Nothing is made up
here; no money is counted either."""

import json

from moto.budgets.exceptions import NotFoundException
from moto.budgets.responses import BudgetsResponse
from moto.utilities.tagging_service import TaggingService


def tags(self) -> TaggingService:
    return self.backend.__dict__.setdefault("tags", TaggingService(key_name="Key", value_name="Value"))


def create_budget(self) -> str:
    answer = moto_create(self)
    account, name = self._get_param("AccountId"), self._get_param("Budget")["BudgetName"]
    tags(self).tag_resource(f"arn:aws:budgets::{account}:budget/{name}", self._get_param("ResourceTags", []))
    return answer


def describe_subscribers_for_notification(self) -> str:
    budgets = self.backend.budgets[self._get_param("AccountId")]
    name, wanted = self._get_param("BudgetName"), self._get_param("Notification")
    if name not in budgets:
        raise NotFoundException(f"Unable to get budget: {name} - the budget doesn't exist.")
    for notification in budgets[name].notifications:
        if all(wanted.get(key) == value for key, value in notification.details.items() if key != "NotificationState"):
            return json.dumps({"Subscribers": notification.subscribers})
    raise NotFoundException("Unable to get the notification: it doesn't exist.")


def list_tags_for_resource(self) -> str:
    found = tags(self).list_tags_for_resource(self._get_param("ResourceARN"))["Tags"]
    return json.dumps({"ResourceTags": found})


def tag_resource(self) -> str:
    tags(self).tag_resource(self._get_param("ResourceARN"), self._get_param("ResourceTags"))
    return json.dumps({})


def untag_resource(self) -> str:
    tags(self).untag_resource_using_names(self._get_param("ResourceARN"), self._get_param("ResourceTagKeys"))
    return json.dumps({})


moto_create = BudgetsResponse.create_budget


def install() -> None:
    for handler in (
        create_budget,
        describe_subscribers_for_notification,
        list_tags_for_resource,
        tag_resource,
        untag_resource,
    ):
        setattr(BudgetsResponse, handler.__name__, handler)
