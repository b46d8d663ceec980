"""Put settings and a registration certificate into an ISO, and read them again."""
