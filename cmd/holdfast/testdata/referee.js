// Usage: node referee.js PORT < REQUESTS
// Sends each request, a JSON object of elements a line, to a switch on this machine with the npm module iso_8583, one
// after the other, and prints what the module reads of each answer as a line of JSON.
'use strict';

const net = require('net');
const readline = require('readline');
const Iso8583 = require('iso_8583');

const link = net.connect({host: '127.0.0.1', port: Number(process.argv[2])});
const waiting = [];
let received = Buffer.alloc(0);

link.on('data', (chunk) => {
  received = Buffer.concat([received, chunk]);
  while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
    const size = 2 + received.readUInt16BE(0);
    waiting.shift()(received.subarray(0, size));
    received = received.subarray(size);
  }
});
link.on('error', (err) => fail(err.message));
link.on('close', () => { if (waiting.length > 0) fail('the link was closed'); });

function fail(why) {
  process.stderr.write(why + '\n');
  process.exit(1);
}

async function main() {
  for await (const line of readline.createInterface({input: process.stdin})) {
    const bytes = new Iso8583(JSON.parse(line)).getBufferMessage();
    if (bytes.error) fail(bytes.error);
    const answer = await new Promise((resolve) => { waiting.push(resolve); link.write(bytes); });
    const read = new Iso8583().getIsoJSON(answer);
    if (read.error) fail(read.error);
    process.stdout.write(JSON.stringify(read) + '\n');
  }
  link.end();
}

main();
