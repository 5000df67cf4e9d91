package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/authz/leak"
)

// loud has the servers keep and tell all that they get: PostgreSQL logs each statement with its values, Redis keeps a file
// of every command, and one of the slowest, of which all are.
func (v *vault) loud(s testServers) {
	v.t.Helper()
	for _, setting := range []string{"log_min_duration_statement = 0", "log_statement = 'all'", "log_connections = on",
		"log_error_verbosity = verbose", "log_parameter_max_length_on_error = -1"} {
		s.sql(v.t, "ALTER SYSTEM SET "+setting)
	}
	s.sql(v.t, "SELECT pg_reload_conf()")
	for _, setting := range [][]string{{"appendonly", "yes"}, {"rdbcompression", "no"}, {"slowlog-log-slower-than", "0"},
		{"slowlog-max-len", "20000"}, {"loglevel", "debug"}} {
		v.redis(s, append([]string{"CONFIG", "SET"}, setting...)...)
	}
	v.watch(s)
}

func (v *vault) redis(s testServers, command ...string) []string {
	v.t.Helper()
	got, err := s.redis.say(command...)
	if err != nil {
		v.t.Fatalf("redis, %s: %v", command[0], err)
	}
	return got
}

// watch keeps every command that Redis gets.
func (v *vault) watch(s testServers) {
	v.t.Helper()
	conn, err := net.Dial("tcp", s.redis.address)
	if err == nil {
		_, err = fmt.Fprintf(conn, "AUTH %s\r\nMONITOR\r\n", s.redis.password)
	}
	if err != nil {
		v.t.Fatal(err)
	}
	said := v.place("what Redis is told")
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(said, conn) }) // until it is closed
	v.t.Cleanup(func() { _ = conn.Close(); wg.Wait() })
}

// serverFiles are the files of both servers but those that hold their own passwords.
var serverFiles = []string{"redis.conf", "redis.password", "postgres.password"}

// gatherServers takes what the servers hold: every key and value of Redis, and a dump of PostgreSQL; and has both write
// everything to their files.
func (v *vault) gatherServers(s *site) {
	v.t.Helper()
	for _, key := range v.redis(s.testServers, "KEYS", "*") {
		kind := v.redis(s.testServers, "TYPE", key)[0]
		read := map[string][]string{"string": {"GET", key}, "hash": {"HGETALL", key}, "list": {"LRANGE", key, "0", "-1"},
			"set": {"SMEMBERS", key}, "zset": {"ZRANGE", key, "0", "-1", "WITHSCORES"}}[kind]
		if read == nil {
			v.t.Fatalf("a key of Redis is a %s", kind)
		}
		v.put("the values of Redis", key+"\n"+strings.Join(v.redis(s.testServers, read...), "\n")+"\n")
	}
	v.put("the slow log of Redis", strings.Join(v.redis(s.testServers, "SLOWLOG", "GET", "-1"), "\n"))
	v.put("the state of Redis", strings.Join(v.redis(s.testServers, "INFO", "everything"), "\n"))
	v.redis(s.testServers, "SAVE")
	s.sql(v.t, "CHECKPOINT")
	cmd := exec.Command("pg_dump", "--no-owner", "--dbname="+s.postgres)
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = v.place("the dump of PostgreSQL"), &errs
	if err := cmd.Run(); err != nil {
		v.t.Fatalf("pg_dump: %v: %s", err, errs.String())
	}
}

// searchServers wants no secret in the servers' files.
func (v *vault) searchServers(s *site) {
	v.t.Helper()
	v.gatherServers(s)
	v.searchFolder("the files of the servers", s.data, serverFiles...)
	for _, file := range []string{"postgres.log", "redis.log", "dump.rdb", "appendonlydir", "postgres/pg_wal", "postgres/base"} {
		info, err := os.Stat(filepath.Join(s.data, file))
		if err != nil || !info.IsDir() && info.Size() < 100 {
			v.t.Errorf("the servers have no %s of any size: the test is not looking", file)
		}
	}
}

// proveServers puts canaries into both servers and wants them in every place there.
func (v *vault) proveServers(s *site) {
	v.t.Helper()
	statements := "CREATE TABLE public.leaks (leak bytea);"
	for _, c := range slices.Backward(v.canaries) { // the first one, which can be told as it is, comes last
		statements += "INSERT INTO public.leaks VALUES ('\\x" + hex.EncodeToString(c.Text) + "');"
		v.redis(s.testServers, "RPUSH", s.prefix()+"leaks", "<"+string(c.Text)+">")
	}
	statements += "INSERT INTO public.leaks SELECT * FROM public.leaks;" // one of two is not cut by the end of a page
	eventually(v.t, 20*time.Second, "the last leak", func() error {
		if !bytes.Contains(v.place("what Redis is told").bytes(), v.canaries[0].Text) {
			return errors.New("Redis has not told of it")
		}
		return nil
	})
	s.sql(v.t, statements)
	for _, c := range v.canaries {
		if textual(c) {
			statements = "SELECT '" + string(c.Text) + "' FROM public.leaks LIMIT 0;" + statements
		}
	}
	v.logged(s, statements)
	v.gatherServers(s)
	for _, name := range []string{"the values of Redis", "what Redis is told", "the slow log of Redis"} {
		v.wantCanaries(name, name != "the values of Redis", v.Find(v.place(name).bytes()))
	}
	all := map[string][]leak.Finding{}
	for _, part := range []string{"dump.rdb", "appendonlydir", "postgres/base", "postgres/pg_wal", "postgres.log"} {
		all[part] = v.under(filepath.Join(s.data, part))
		v.wantCanaries(part, part == "postgres.log", all[part])
	}
	for i, c := range v.canaries[:1] { // a dump is hexadecimal: what is plain in a table is found in it
		v.wantPlain("the dump of PostgreSQL", i, c)
	}
}

// logged runs the selections alone: the table is there already.
func (v *vault) logged(s *site, statements string) {
	v.t.Helper()
	selections, _, _ := strings.Cut(statements, "CREATE TABLE")
	s.sql(v.t, selections)
}

func (v *vault) wantPlain(place string, i int, c leak.Form) {
	v.t.Helper()
	name := fmt.Sprintf("%s%d %s", canaryName, i, c.Name)
	for _, f := range v.Find(v.place(place).bytes()) {
		if f.Secret == name {
			return
		}
	}
	v.t.Errorf("a leak that was put into %s is not found: %s", place, c.Name)
}

// under is what is found in a file, or in a folder.
func (v *vault) under(path string) (found []leak.Finding) {
	v.t.Helper()
	tree, err := v.Tree(path)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, all := range tree {
		found = append(found, all...)
	}
	return found
}
