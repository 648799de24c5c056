from buildbot.master import BuildMaster
from twisted.application import service

application = service.Application('buildmaster')
BuildMaster("/var/lib/buildbot", "master.cfg").setServiceParent(application)
