"""Devices: profiles and transports."""
