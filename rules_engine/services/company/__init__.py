"""Who works here and when: people, teams, calendars, absences, duty, and the picture of them that decisions share."""
