"""*Enhance* as others would write it, without a studio: what our throughput beside it is compared with."""
