"""The one table of reasons: every refusal, failure and decision that has a code.

A row says what happened, what to do about it and where the code appears. `table.TABLE` has all
rows; the modules beside it have those of one area and the constants with which programs name a
code. Device programs import only the areas that they use.
To add a code: docs/how-to/contribute.md#add-a-reason-code.
"""
