"""The nightly recommender: ratings in PostgreSQL to the lists a website reads."""
