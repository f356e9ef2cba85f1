"""How many statements each operation costs: the number is part of its contract."""

from __future__ import annotations

import pytest
from django.db import connection

from controlplane.store import objects
from schema.kinds import CONFIG_MAP, POD
from schema.selectors import LabelSelector
from tests.api.store_objects import pod

pytestmark = pytest.mark.django_db(transaction=True)
AROUND = 2
"""BEGIN and COMMIT."""


@pytest.fixture(autouse=True)
def _some():
    objects.write_many([objects.Create(POD, pod(f"p{number}", labels={"app": "web"})) for number in range(30)])


def test_a_read_is_one_statement(django_assert_num_queries):
    with django_assert_num_queries(1):
        objects.get(POD, "default", "p1")
    with django_assert_num_queries(1):
        assert len(objects.list_objects(POD).items) == 30
    with django_assert_num_queries(1):
        assert len(objects.list_objects(POD, labels=LabelSelector.parse("app=web")).items) == 30


def test_an_empty_list_costs_one_more(django_assert_num_queries):
    with django_assert_num_queries(2):
        objects.list_objects(CONFIG_MAP)


def test_pages(django_assert_num_queries):
    with django_assert_num_queries(2):  # and what remains
        page = objects.list_objects(POD, limit=10)
    with django_assert_num_queries(4):  # and the history, twice
        objects.list_objects(POD, limit=10, continue_token=page.continue_token)


def test_a_create(django_assert_num_queries):
    # lock, namespace, name, priority classes, limit ranges, quotas, insert, labels, change, revision
    with django_assert_num_queries(10 + AROUND):
        objects.create(POD, pod("new", labels={"app": "web"}))


def test_a_batch_of_statuses_does_not_cost_more_statements(django_assert_num_queries):
    statuses = [objects.Status(POD, "default", f"p{number}", {"phase": "Running"}) for number in range(30)]
    # lock, read, update, change, revision
    with django_assert_num_queries(5 + AROUND):
        objects.write_many(statuses)
    with django_assert_num_queries(2 + AROUND):
        objects.write_many(statuses)


def test_a_delete(django_assert_num_queries):
    # lock, read, delete, labels, change, revision
    with django_assert_num_queries(6 + AROUND):
        objects.delete(POD, "default", "p1")


def test_the_schedulers_questions_use_the_index():
    if connection.vendor != "sqlite":
        pytest.skip("the planner's words are SQLite's")
    with connection.cursor() as cursor:
        for question in (
            "SELECT node_name, sum(cpu_millis), sum(memory_bytes), sum(ephemeral_bytes) FROM store_pod "
            "WHERE node_name <> '' AND phase NOT IN ('Succeeded', 'Failed') GROUP BY node_name",
            "SELECT uid FROM store_pod WHERE node_name = '' AND phase IN ('', 'Pending')",
        ):
            cursor.execute(f"EXPLAIN QUERY PLAN {question}")
            assert "store_pod_node" in str(cursor.fetchall())
