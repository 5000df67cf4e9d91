// Package simulate plays a payment network to an issuer's host: it makes messages of any kind in any dialect from a few
// words, sends them over TCP links, and holds the answers against what a scenario expects of them.
//
// A [Scenario] is a list of steps that say what the network means ("a pre-authorization of 100.00 on the main card"), not
// which element holds what; the dialect's profile says where that stands. So one file is played in every dialect that can
// say it; a dialect that cannot skips the scenario, with the reason. testdata/scenarios/README.md describes the files.
// [Simulation.Do] plays one step at a time, for a prompt; [Run] plays a scenario.
//
// # Limits
//
// Every wait has a timeout; links belong to a Simulation and end with its Close. Messages hold card numbers and do not
// print themselves; what a [Difference] says may be shown.
package simulate
