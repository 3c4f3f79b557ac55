# ruby.rb FOLDER NAME PORT...: TCPServer, UDPSocket, and IO.select.
require 'socket'
require 'io/wait'
_, far, port = ARGV
port = port.to_i

server = TCPServer.new('127.0.0.1', port)
threads = 5.times.map { Thread.new { loop { c = server.accept; IO.copy_stream(c, c); c.close } } }
ok = 50.times.map do |n|
  Thread.new do
    TCPSocket.open('127.0.0.1', port) do |s|
      s.setsockopt(:TCP, :NODELAY, true)
      s.write('x' * (n * 1000))
      s.close_write
      s.read.bytesize == n * 1000
    end
  end
end
puts "streams #{ok.count(&:value)}"
threads.each(&:kill).each(&:join)
server.close
begin
  TCPSocket.open('127.0.0.1', port)
rescue SystemCallError => e
  puts e.class
end

answering = UDPSocket.new(Socket::AF_INET6)
answering.bind('::1', port)
asking = UDPSocket.new(Socket::AF_INET6)
asking.connect('::1', port)
asking.send('question', 0)
message, from = answering.recvfrom(100)
answering.send(message.upcase, 0, from[3], from[1])
puts "datagram #{asking.wait_readable(20) && asking.recvfrom_nonblock(100).first}"
puts "addresses #{Socket.getifaddrs.map(&:name).include?('lo')} #{Socket.ip_address_list.any?(&:ipv4_loopback?)}"
puts "resolved #{!Addrinfo.getaddrinfo(far, 80).empty?}"
