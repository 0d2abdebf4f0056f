"""A hotel's own property management system (PMS): what it knows goes before what we believe.

`port` is what every system has to offer, with one adapter a module; `http` the
way to their hosts.
"""
