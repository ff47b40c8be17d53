"""Sign-in: Microsoft Entra ID tokens and managed identity."""
