// Package leak is for tests: it searches what a program leaves behind (logs, files, dumps, answers) for secrets that the
// test has planted, in every form in which somebody could have written them down.
//
// A test plants the secrets as it makes them or learns of them, runs the program, and gives everything that the
// program touched to [Searcher.Find] or [Searcher.Tree]. What is found names the secret and the form, never the value.
// That each form is found in each place is for the test of the place to prove: it plants a leak and looks.
//
// Two kinds of secrets are told apart. One of [ValueMin] bytes or more is searched for wherever it stands. A shorter
// one, such as the three digits of a CVC2, stands by chance in any file of some size, so it is searched for behind
// the names that such a value has ([Searcher.PlantShort]).
//
// What cannot be found: a secret that was compressed by other means than gzip or zlib, split over two files, or encrypted.
package leak
