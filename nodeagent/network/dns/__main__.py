from nodeagent.network.dns.process import main

main()
