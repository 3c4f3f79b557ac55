"""python-asyncio.py FOLDER NAME PORT...: streams, TLS, datagrams and sendfile of
asyncio, servers and clients on one loop."""
import asyncio
import os
import ssl
import subprocess
import sys

folder, far, port, other = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
os.chdir(folder)
CLIENTS = 200
SIZE = 50_000


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    writer.close()


async def client(host, number, tls=None):
    reader, writer = await asyncio.open_connection(host, port if tls is None else other, ssl=tls)
    data = bytes([number % 251]) * SIZE
    writer.write(data)
    if tls is None:
        writer.write_eof()
        got = await reader.read()
    else:
        got = await reader.readexactly(SIZE)
    writer.close()
    await writer.wait_closed()
    return got == data


async def streams():
    server = await asyncio.start_server(echo, ["127.0.0.1", "::1"], port, backlog=CLIENTS)
    jobs = [client(("127.0.0.1", "::1")[n % 2], n) for n in range(CLIENTS)]
    print("streams", sum(await asyncio.gather(*jobs)))
    server.close()
    try:
        await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError as e:
        print("refused", e.errno)


async def tls():
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", "key.pem", "-out", "cert.pem"], check=True, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("cert.pem", "key.pem")
    server = await asyncio.start_server(echo, "127.0.0.1", other, ssl=context)
    trusting = ssl.create_default_context(cafile="cert.pem")
    print("tls", sum(await asyncio.gather(*[client("127.0.0.1", n, trusting) for n in range(20)])))
    try:
        await client("127.0.0.1", 0, ssl.create_default_context())
    except ssl.SSLCertVerificationError:
        print("not trusted")
    server.close()


class Server(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(data[::-1], address)


class Client(asyncio.DatagramProtocol):
    def __init__(self):
        self.answers = asyncio.Queue()
        self.errors = asyncio.Queue()

    def datagram_received(self, data, address):
        self.answers.put_nowait((data, address))

    def error_received(self, error):
        self.errors.put_nowait(error)


async def datagrams():
    loop = asyncio.get_running_loop()
    for host in "127.0.0.1", "::1":
        server, _ = await loop.create_datagram_endpoint(Server, (host, port))
        transport, protocol = await loop.create_datagram_endpoint(Client, remote_addr=(host, port))
        for n in range(100):
            transport.sendto(b"%d." % n)
            data, address = await protocol.answers.get()
            assert data == (b"%d." % n)[::-1] and address[:2] == (host, port), (data, address)
        server.close()
        await asyncio.sleep(0)
        while protocol.errors.empty():
            transport.sendto(b"to nobody")
            await asyncio.sleep(0.05)
        print("datagrams", host, type(await protocol.errors.get()).__base__.__name__)
        transport.close()


async def sendfile():
    loop = asyncio.get_running_loop()
    with open("large", "wb") as f:
        f.write(os.urandom(3_000_000))

    async def send(reader, writer):
        with open("large", "rb") as f:
            await loop.sendfile(writer.transport, f, fallback=False)
        writer.close()

    server = await asyncio.start_server(send, "127.0.0.1", port)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    print("sendfile", await reader.read() == open("large", "rb").read())
    writer.close()
    server.close()


async def main():
    await streams()
    await tls()
    await datagrams()
    await sendfile()
    print("resolved", len(await asyncio.get_running_loop().getaddrinfo(far, 80)) > 0)


asyncio.run(main())
