"""From draft to version: findings, checks, approval, publication."""
