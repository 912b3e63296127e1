// For mongosh: makes the servers that MEMBERS names one replica set and waits for its primary. Run again, it only waits.

const PATIENCE_MS = 60_000;
const members = process.env.MEMBERS.split(" ").map((host, _id) => ({ _id, host }));

function isInitiated() {
  try {
    return rs.status().ok === 1;
  } catch (error) {
    if (error.codeName === "NotYetInitialized") return false;
    throw error;
  }
}

if (!isInitiated()) rs.initiate({ _id: "tavolo", members });
const deadline = Date.now() + PATIENCE_MS;
while (!rs.status().members.some(({ stateStr }) => stateStr === "PRIMARY")) {
  if (Date.now() > deadline) throw new Error("the replica set has no primary after a minute");
  sleep(200);
}
print(`replica set of ${members.length} members is ready`);
