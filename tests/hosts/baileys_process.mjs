// The real Baileys in a process of its own: events out, expressions in, one JSON object a line.
// Started by `baileys.py`. Usage: node baileys_process.mjs FOLDER
//
// Node itself takes the proxy and the certificate authority from the environment (HTTPS_PROXY with
// NODE_USE_ENV_PROXY, NODE_EXTRA_CA_CERTS). The Noise root key that Baileys trusts is a constant of its own,
// replaced here before it connects.

import { randomBytes } from 'node:crypto'
import https from 'node:https'
import readline from 'node:readline'
import { format } from 'node:util'

import * as baileys from 'baileys'
import P from 'pino'

const { BufferJSON, DisconnectReason, makeWASocket, useMultiFileAuthState, WA_CERT_DETAILS } = baileys
const [folder] = process.argv.slice(2)
const agent = new https.Agent({ proxyEnv: process.env })
const logger = P({ level: 'warn' }, P.destination(2))
const { state, saveCreds } = await useMultiFileAuthState(folder)
const messages = new Map() // by id, as they stand: with edits, deletions and receipts
let sock

WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(process.env.WHATSAPP_SIMULATOR_NOISE_ROOT, 'hex')

function tell(fields) {
	process.stdout.write(JSON.stringify(fields, BufferJSON.replacer) + '\n')
}

function keep(id, message) {
	messages.set(id, message)
	tell({ event: 'message', data: message })
}

function connect() {
	const getMessage = async key => messages.get(key.id)?.message
	sock = makeWASocket({ auth: state, agent, fetchAgent: agent, logger, getMessage })
	sock.ev.process(async events => {
		if (events['creds.update']) await saveCreds()
		for (const message of events['messages.upsert']?.messages ?? []) keep(message.key.id, message)
		// Baileys may tell of a message and what became of it at once, as one upsert.
		for (const { key, update } of events['messages.update'] ?? []) {
			keep(key.id, { ...messages.get(key.id), ...update, key })
		}
		for (const [event, data] of Object.entries(events)) tell({ event, data })
		const { connection, lastDisconnect } = events['connection.update'] ?? {}
		const reason = lastDisconnect?.error?.output?.statusCode
		if (connection === 'close' && reason === DisconnectReason.restartRequired) connect()
	})
}

// Baileys reads votes and cannot cast any: this is its `decryptPollVote` the other way round.
function vote(poll, options) {
	const { aesEncryptGCM, hmacSign, jidNormalizedUser, proto, sha256 } = baileys
	const [creator, voter] = [poll.key.remoteJid, state.creds.me.lid].map(jidNormalizedUser)
	const { id } = poll.key
	const sign = Buffer.concat([Buffer.from(id + creator + voter + 'Poll Vote'), Buffer.from([1])])
	const key = hmacSign(sign, hmacSign(poll.message.messageContextInfo.messageSecret, new Uint8Array(32)))
	const selectedOptions = options.map(option => sha256(Buffer.from(option)))
	const choice = proto.Message.PollVoteMessage.encode({ selectedOptions }).finish()
	const encIv = randomBytes(12)
	const encPayload = aesEncryptGCM(choice, key, encIv, Buffer.from(`${id}\0${voter}`))
	const pollUpdateMessage = {
		pollCreationMessageKey: { ...poll.key, fromMe: false },
		vote: { encPayload, encIv },
		senderTimestampMs: Date.now()
	}
	return sock.relayMessage(poll.key.remoteJid, { pollUpdateMessage }, {})
}

// The names of the options that were voted for.
function choices(pollId, voteId, pollCreatorJid, voterJid) {
	const { message: poll } = messages.get(pollId)
	const pollEncKey = poll.messageContextInfo.messageSecret
	const encrypted = messages.get(voteId).message.pollUpdateMessage.vote
	const vote = baileys.decryptPollVote(encrypted, { pollEncKey, pollCreatorJid, pollMsgId: pollId, voterJid })
	const hashes = vote.selectedOptions.map(hash => Buffer.from(hash).toString('hex'))
	const { options } = poll.pollCreationMessageV3 ?? poll.pollCreationMessage
	const names = options.map(option => option.optionName)
	return names.filter(name => hashes.includes(baileys.sha256(Buffer.from(name)).toString('hex')))
}

const AsyncFunction = (async () => {}).constructor

async function evaluate({ call, source, given }) {
	try {
		const scope = { baileys, choices, given, messages, sock, vote }
		const evaluated = new AsyncFunction(...Object.keys(scope), `return ${source}`)
		tell({ call, value: (await evaluated(...Object.values(scope))) ?? null })
	} catch (error) {
		tell({ call, error: format(error) })
	}
}

connect()
for await (const line of readline.createInterface({ input: process.stdin })) {
	evaluate(JSON.parse(line, BufferJSON.reviver))
}
process.exit(0)
