# A service manager's end of sd_notify(3): prints each assignment that arrives at the socket as a line.
use strict;
use warnings;
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);

$| = 1;
my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die "no socket: $!";
print "LISTENING\n";
while (defined $socket->recv(my $message, 65536)) {
    # With BARRIER=1 the sender only asks whether its messages were taken.
    print map { "$_\n" } grep { $_ ne 'BARRIER=1' } split /\n/, $message;
}
