from __future__ import annotations

from controlplane.store.resource import Resource
from controlplane.store.storage import Storage
from schema import kinds


class CronJob(Resource):
    class Meta(Resource.Meta):
        db_table = "store_cronjob"


STORAGE = Storage(kinds.CRON_JOB, CronJob)
