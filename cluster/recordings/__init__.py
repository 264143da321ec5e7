"""What other tools have recorded: captures of packets and traces of pages, from files to compact bytes."""
