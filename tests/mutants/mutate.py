#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Plants one mistake of tests/mutants/list in a copy of the module's sources.

    mutate.py LIST                   print each mutant: name, kernel, and the
                                     tests that have to see it, with tabs between
    mutate.py LIST SRC/              say which of them no longer have their places
                                     in the sources (a folder, with a slash in it)
    mutate.py LIST NAME field        print a field of it
    mutate.py LIST NAME SRC DST      write SRC's file to DST, with the mistake

The list is made of records, which the list itself explains. A change is given
as the lines it takes away and those it puts there, with lines around them where
that is needed: together they have to be in the file exactly once, so that a
change that has lost its place fails and is not taken for a mistake nobody saw.
"""
import os
import sys

FIELDS = ('kind', 'why', 'on', 'test', 'see', 'in')


class Mutant:
    def __init__(self, name):
        self.name = name
        self.fields = {field: [] for field in FIELDS}
        self.changes = []

    def hunk(self, line, fresh):
        if fresh:
            self.changes.append((self.fields['in'][-1], [], []))
        _, old, new = self.changes[-1]
        if line[0] in ' -':
            old.append(line[1:])
        if line[0] in ' +':
            new.append(line[1:])


def parse(path):
    mutants, mutant, in_hunk = [], None, False
    with open(path, encoding='utf-8') as f:
        for nr, line in enumerate(f, 1):
            line = line.rstrip('\n')
            is_hunk = line[:1] in (' ', '-', '+') and line != ''
            if is_hunk:
                mutant.hunk(line, not in_hunk)
            elif line and not line.startswith('#'):
                word, _, rest = line.partition(' ')
                if word == 'mutant':
                    mutant = Mutant(rest.strip())
                    mutants.append(mutant)
                elif word in FIELDS:
                    mutant.fields[word].append(rest.strip())
                else:
                    sys.exit(f'{path}:{nr}: no such field: {word}')
            in_hunk = is_hunk
    names = [m.name for m in mutants]
    for name in names:
        if names.count(name) > 1:
            sys.exit(f'{path}: two mutants are called {name}')
    for m in mutants:
        if not m.changes or not m.fields['test'] or not m.fields['kind']:
            sys.exit(f'{path}: {m.name} lacks a change, a test or its kind')
    return mutants


def changed(mutant, src):
    files = {}
    for name, old, new in mutant.changes:
        if name not in files:
            with open(os.path.join(src, name), encoding='utf-8') as f:
                files[name] = f.read()
        was = ''.join(line + '\n' for line in old)
        found = ('\n' + files[name]).count('\n' + was)
        if found != 1:
            raise ValueError(
                f'{mutant.name}: its place in {name} is there {found} times')
        put = ''.join(line + '\n' for line in new)
        files[name] = ('\n' + files[name]).replace('\n' + was, '\n' + put)[1:]
    return files


def plant(mutant, src, dst):
    try:
        files = changed(mutant, src)
    except ValueError as lost:
        sys.exit(str(lost))
    for name, text in files.items():
        with open(os.path.join(dst, name), 'w', encoding='utf-8') as f:
            f.write(text)
        print(name)


def misplaced(mutants, src):
    for mutant in mutants:
        try:
            changed(mutant, src)
        except ValueError as lost:
            print(lost)


def main(args):
    mutants = parse(args[0])
    if len(args) == 1:
        for m in mutants:
            print(m.name, (m.fields['on'] or ['small'])[0], *m.fields['test'], sep='\t')
        return
    if '/' in args[1]:
        misplaced(mutants, args[1])
        return
    mutant = next((m for m in mutants if m.name == args[1]), None)
    if not mutant:
        sys.exit(f'{args[0]}: no mutant {args[1]}')
    if len(args) == 3:
        print('\n'.join(mutant.fields[args[2]]))
    else:
        plant(mutant, args[2], args[3])


if __name__ == '__main__':
    main(sys.argv[1:])
