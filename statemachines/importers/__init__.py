"""Other products' workflows as Millrace definitions, each with a report of what was and what was not translated."""
