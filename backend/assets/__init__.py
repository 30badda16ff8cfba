"""Uploads, the S3 storage, renditions and lineage of what a team keeps."""
