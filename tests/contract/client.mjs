// One stock y-websocket client, driven by JSON lines on stdin; answers with JSON lines on stdout.
import * as readline from 'node:readline'
import WebSocket from 'ws'
import * as Y from 'yjs'
import * as decoding from 'lib0/decoding'
import * as V2 from 'y-websocket-2'
import * as V3 from 'y-websocket-3'

const providers = { 2: V2.WebsocketProvider, 3: V3.WebsocketProvider }
const doc = new Y.Doc()
const closes = []
let provider
let committed = 0

const wait = async (test, timeoutMs) => {
  const end = Date.now() + timeoutMs
  while (!test()) {
    if (Date.now() > end) return false
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  return true
}

// The recipe of protocol.md: stop the provider's own reconnect, which would use the spent ticket again.
const open = ({ url, room, version, params }) => {
  provider = new providers[version](url, room, doc, { connect: false, WebSocketPolyfill: WebSocket, params, disableBc: true })
  provider.messageHandlers[8] = (_encoder, decoder) => { committed = decoding.readVarUint(decoder) }
  provider.on('connection-close', event => {
    closes.push(event ? event.code : 0)
    provider.shouldConnect = false
  })
  provider.connect()
  return wait(() => provider.synced || closes.length > 0, 10000)
}

const plain = value => value instanceof Y.AbstractType ? value.toJSON() : value
const commands = {
  open,
  reconnect: ({ params }) => {
    const before = closes.length
    provider.params = params
    provider.connect()
    return wait(() => provider.synced || closes.length > before, 10000).then(() => provider.synced)
  },
  disconnect: () => provider.disconnect(),
  set: ({ map, key, value }) => { doc.getMap(map).set(key, value) },
  type: ({ text }) => { doc.getText('text').insert(doc.getText('text').length, text) },
  get: ({ map, key }) => plain(doc.getMap(map).get(key)) ?? null,
  text: () => doc.getText('text').toString(),
  until: ({ map, key, value, timeoutMs }) =>
    wait(() => JSON.stringify(plain(doc.getMap(map).get(key)) ?? null) === JSON.stringify(value), timeoutMs ?? 5000),
  entries: ({ map }) => doc.getMap(map).toJSON(),
  untilText: ({ length, timeoutMs }) => wait(() => doc.getText('text').length === length, timeoutMs ?? 5000),
  state: ({ state }) => { provider.awareness.setLocalState(state) },
  states: () => [...provider.awareness.getStates()].map(([id, state]) => ({ id, mine: id === doc.clientID, state })),
  untilStates: ({ count, timeoutMs }) => wait(() => provider.awareness.getStates().size === count, timeoutMs ?? 5000),
  untilSaved: async ({ frames, timeoutMs }) => { await wait(() => committed >= frames, timeoutMs ?? 5000); return committed },
  untilClosed: async ({ timeoutMs }) => { await wait(() => closes.length > 0, timeoutMs ?? 5000); return closes },
  closes: () => closes,
  connected: () => provider.wsconnected,
  snapshot: () => Buffer.from(Y.encodeStateAsUpdate(doc)).toString('base64')
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { op, ...rest } = JSON.parse(line)
  const answer = await commands[op](rest)
  process.stdout.write(JSON.stringify(answer === undefined ? null : answer) + '\n')
}
process.exit(0)
