/** The connection that a service has which was given none: planets, their moons, and missions to them. */
export const sampleConnection = "sample";

/** What can be asked for, for who has never seen it. */
export const sampleHint = "SELECT * FROM planet -- or moon, mission, visit";
