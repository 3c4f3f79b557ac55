// node.js FOLDER NAME PORT...: net, dgram, and http with kept connections.
const net = require('net')
const dgram = require('dgram')
const http = require('http')
const dns = require('dns')
const { once } = require('events')
const [folder, far, port, httpPort] = process.argv.slice(2)

async function streams () {
  const server = net.createServer({ allowHalfOpen: true }, c => c.pipe(c))
  server.listen({ port: +port, host: '::' }) // dual stack
  await once(server, 'listening')
  const one = async n => {
    const c = net.connect({ port: +port, host: n % 2 ? '127.0.0.1' : '::1', noDelay: true, keepAlive: true })
    const sent = Buffer.alloc(100000, n)
    c.end(sent)
    const got = []
    for await (const part of c) got.push(part)
    return Buffer.concat(got).equals(sent)
  }
  const done = await Promise.all([...Array(100).keys()].map(one))
  console.log('streams', done.filter(x => x).length)
  server.close()
  await once(server, 'close')
  const [error] = await once(net.connect(+port, '127.0.0.1'), 'error')
  console.log(error.code)
}

async function datagrams () {
  for (const [type, host] of [['udp4', '127.0.0.1'], ['udp6', '::1']]) {
    const server = dgram.createSocket(type)
    server.on('message', (m, from) => server.send(m + '!', from.port, from.address))
    server.bind(+port, host)
    await once(server, 'listening')
    const client = dgram.createSocket(type)
    client.connect(+port, host)
    await once(client, 'connect')
    client.setTTL(3)
    client.setRecvBufferSize(100000)
    let ok = 0
    for (let i = 0; i < 100; i++) {
      client.send('m' + i)
      const [m, from] = await once(client, 'message')
      if (String(m) === `m${i}!` && from.port === +port && from.address === host) ok++
    }
    console.log('datagrams', type, ok, client.getRecvBufferSize() >= 100000)
    client.close()
    server.close()
    await once(server, 'close')
  }
}

async function keptConnections () {
  const seen = new Set()
  const server = http.createServer(async (q, r) => {
    seen.add(q.socket.remotePort)
    let n = 0
    for await (const part of q) n += part.length
    r.end(`${q.method} ${n}`)
  }).listen(+httpPort, '127.0.0.1')
  await once(server, 'listening')
  const agent = new http.Agent({ keepAlive: true, maxSockets: 5 })
  const one = async n => {
    const q = http.request({ agent, port: httpPort, host: '127.0.0.1', method: 'POST' })
    q.end(Buffer.alloc(n))
    const [r] = await once(q, 'response')
    let text = ''
    for await (const part of r) text += part
    return text === `POST ${n}`
  }
  const done = await Promise.all([...Array(200).keys()].map(n => one(n * 100)))
  console.log('http', done.filter(x => x).length, 'over', seen.size)
  agent.destroy()
  server.close()
}

(async () => {
  await streams()
  await datagrams()
  await keptConnections()
  console.log('resolved', (await dns.promises.lookup(far, { all: true })).length > 0, (await dns.promises.resolve4(far)).length > 0)
})()
