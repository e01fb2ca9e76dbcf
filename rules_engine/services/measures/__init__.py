"""The measures of managers in a month: requests, calls, money. Read by bonuses and by control."""
