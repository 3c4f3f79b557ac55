# perl.pl FOLDER NAME PORT...: IO::Socket, a forking server, select.
use strict;
use warnings;
use IO::Socket::INET;
use IO::Socket::IP;
use IO::Select;
use Socket qw(getaddrinfo);
my ($folder, $far, $port) = @ARGV;
$| = 1;

my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 50, ReuseAddr => 1) or die "listen: $@";
my $child = fork;
if (!$child) {
    for (1 .. 30) {
        my $c = $server->accept or die "accept: $!";
        next if fork;
        close $server;
        print $c scalar reverse <$c>;
        exit;
    }
    1 while wait > 0;
    exit;
}
close $server;
my $ok = 0;
my $waiting = IO::Select->new(map {
    my $s = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $port) or die "connect: $@";
    print $s "line $_\n";
    $s->shutdown(1);
    $s;
} 1 .. 30);
while ($waiting->count) {
    for my $s ($waiting->can_read(20)) {
        $ok++ if (join '', <$s>) =~ /^\n\d+ enil$/;
        $waiting->remove($s);
    }
}
waitpid $child, 0;
print "streams $ok, child $?\n";
IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or print "$!\n";
my $u = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1', LocalPort => $port) or die "udp: $@";
my $v = IO::Socket::INET->new(Proto => 'udp', PeerAddr => '127.0.0.1', PeerPort => $port) or die "udp: $@";
$v->send('question') or die "send: $!";
$u->recv(my $text, 100);
$u->send(uc $text);
$v->recv($text, 100);
print "datagram $text\n";
print -t $v ? "a terminal\n" : "no terminal: $!\n";
my ($error, @found) = getaddrinfo($far, 80);
print 'resolved ', @found > 0, "\n";
