"""The context of one session: accounted for, drawn, and written as a page."""
