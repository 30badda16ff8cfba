// Stock clients in one process (one clock): writers put entries with the time, everybody else notes when each arrives.
// Arguments: one JSON object; prints one JSON object {latencies, acks, missing} in ms.
import { createRequire } from 'node:module'
import { performance } from 'node:perf_hooks'
import { pathToFileURL } from 'node:url'

const spec = JSON.parse(process.argv[2])
const require = createRequire(pathToFileURL(spec.packages + '/package.json'))
const load = name => import(pathToFileURL(require.resolve(name)))
const Y = await load('yjs')
const { default: WebSocket } = await load('ws')
const decoding = await load('lib0/decoding')
const { WebsocketProvider } = await load('y-websocket-3')
const { HocuspocusProvider, HocuspocusProviderWebsocket } = await load('@hocuspocus/provider')

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
const latencies = []
const acks = []
let arrived = 0
let sent = 0

const connect = async (index) => {
  const doc = new Y.Doc()
  const client = { doc, waiting: [], frames: 0 }
  if (spec.kind === 'hocuspocus') {
    const websocketProvider = new HocuspocusProviderWebsocket({ url: spec.url, WebSocketPolyfill: WebSocket })
    client.provider = new HocuspocusProvider({ websocketProvider, name: spec.room, document: doc, token: 'x' })
    client.provider.attach()
  } else {
    const params = spec.tickets ? { ticket: spec.tickets[index], status: '1' } : {}
    client.provider = new WebsocketProvider(spec.url, spec.room, doc, { WebSocketPolyfill: WebSocket, params, disableBc: true })
    client.provider.messageHandlers[8] = (_encoder, decoder) => {
      const committed = decoding.readVarUint(decoder)
      // The first data frame of a socket is its answer to the server's step 1.
      while (client.waiting.length && client.waiting[0].frame <= committed) acks.push(performance.now() - client.waiting.shift().at)
    }
  }
  for (let tries = 0; !(client.provider.synced ?? client.provider.isSynced); tries++) {
    if (tries > 2000) throw new Error('no sync')
    await sleep(5)
  }
  const entries = doc.getMap('bench')
  entries.observe((event, transaction) => {
    if (transaction.local) return
    const now = performance.now()
    for (const key of event.keysChanged) {
      arrived++
      const { at, measured } = entries.get(key)
      if (measured) latencies.push(now - at)
    }
  })
  return client
}

const clients = []
for (let index = 0; index < spec.clients; index++) clients.push(await connect(index))
await sleep(500)

const write = async (client, index) => {
  const begin = performance.now()
  const period = 1000 / spec.hz
  for (let number = 0; number < spec.seconds * spec.hz; number++) {
    const due = begin + number * period + (index * period) / spec.writers
    await sleep(Math.max(0, due - performance.now()))
    const measured = number >= spec.hz // the first second warms up
    const at = performance.now()
    sent++
    client.waiting.push({ frame: number + 2, at })
    client.doc.getMap('bench').set(`${index}:${number}`, { at, measured })
  }
}
await Promise.all(clients.slice(0, spec.writers).map(write))
for (let tries = 0; arrived < sent * (spec.clients - 1) && tries < 500; tries++) await sleep(10)
await sleep(100)
process.stdout.write(JSON.stringify({ latencies, acks, missing: sent * (spec.clients - 1) - arrived }))
process.exit(0)
