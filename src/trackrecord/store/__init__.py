"""The store: schema, writer, transactions and reads. The only room that knows SQL; it never computes a measurement."""
