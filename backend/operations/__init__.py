"""What the person who runs the studio asks: is all well (doctor), and how busy is it (status). Above all rooms."""
