"""The same endpoints as others would write them, on the same tables: what our API's speed is compared with."""
