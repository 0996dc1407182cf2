"""What each of these hosts passes to its model for the commonest calls: `make hosts-figures`."""

from tests.features.hosts.test_real_hosts import HOSTS
from tests.hosts.figures import main

if __name__ == "__main__":
    main(HOSTS)
