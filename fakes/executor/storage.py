"""Files of jobs: snapshots out of storage, logs and outputs into it, folders of datastores both ways."""
