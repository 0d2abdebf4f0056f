"""A Graph API that behaves like Meta's, for one machine.

Owns: what the fake WhatsApp has accepted, and the guests' phones.
Promises: answers and refuses as Meta documents; delivers signed webhooks until they are
answered with 200; fails on demand; everything it keeps is bounded.
Called by: messaging (sends, media), tests and `conserje chat` (the control API).
"""
