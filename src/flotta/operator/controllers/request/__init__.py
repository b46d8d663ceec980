"""EdgeDeviceSignedRequest: who may join, who decided that, and when a request ends."""
