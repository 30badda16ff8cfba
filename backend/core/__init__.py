"""What every room stands on: ids, errors, tenancy, events. Knows no product word."""
